// A mail server for tests, around nodemailer's smtp-server: it speaks STARTTLS, implicit TLS and AUTH as real ones do,
// and misbehaves where the options say so. It keeps nothing and delivers nothing.
//
// node smtp-server.js '<options as JSON>'
//
//   port            to listen on, on 127.0.0.1; 0 or absent: any free one
//   tls             "none" (default), "starttls" or "implicit"
//   key, cert       paths of PEM files, for TLS
//   user, password  the credentials that are required; absent: none are
//   refuse          recipients that contain this text are refused for good (550)
//   defer           recipients that contain this text are refused for now (451)
//   reject          mails to recipients that contain this text are refused after DATA (550)
//   reply           the reply code of refusals for good, in place of 550
//   says            what refusals of recipients say, in place of their address
//   hang            mails to recipients that contain this text are not answered after DATA
//   hang_ms         but are after so many milliseconds
//   drop            after mails to recipients that contain this text the connection breaks
//   mute            true: connections are accepted and never greeted
//
// It prints one JSON object a line: {"event": "listening", "port": …} first, then what happens: "connection", "auth",
// "recipient", "hanging", "dropped", and "mail" for each mail that it has accepted. It ends when its standard input does.

'use strict';

const fs = require('fs');
const { SMTPServer } = require('smtp-server');

const options = JSON.parse(process.argv[2] || '{}');
const tell = (event, fields) => process.stdout.write(JSON.stringify({ event, ...fields }) + '\n');
const matches = (text, address) => Boolean(text) && address.includes(text);
const refusal = (responseCode, message) => Object.assign(new Error(message), { responseCode });
const recipients = session => session.envelope.rcptTo.map(recipient => recipient.address);
const hasTls = options.tls === 'starttls' || options.tls === 'implicit';

const server = new SMTPServer({
    secure: options.tls === 'implicit',
    ...(hasTls ? { key: fs.readFileSync(options.key), cert: fs.readFileSync(options.cert) } : {}),
    disabledCommands: hasTls ? [] : ['STARTTLS'],
    // Without TLS, AUTH is offered all the same: a client that is careless with its credentials is seen to be.
    allowInsecureAuth: !hasTls,
    authOptional: !options.user,
    disableReverseLookup: true,
    logger: false,

    onConnect(session, done) {
        tell('connection', {});
        if (!options.mute) done();
    },

    onAuth(auth, session, done) {
        const accepted = auth.username === options.user && auth.password === options.password;
        tell('auth', { user: auth.username, accepted, tls: session.secure });
        if (accepted) done(null, { user: auth.username });
        else done(refusal(535, 'Authentication credentials invalid'));
    },

    onRcptTo({ address }, session, done) {
        const refused = matches(options.refuse, address);
        const deferred = matches(options.defer, address);
        tell('recipient', { address, accepted: !refused && !deferred });
        if (refused) done(refusal(options.reply || 550, options.says || `<${address}>: No such mailbox here`));
        else if (deferred) done(refusal(451, options.says || `<${address}>: Mailbox busy, try again`));
        else done();
    },

    onData(stream, session, done) {
        const chunks = [];
        stream.on('data', chunk => chunks.push(chunk));
        stream.on('end', () => {
            const to = recipients(session);
            const accept = () => {
                if (to.some(address => matches(options.reject, address))) {
                    return done(refusal(550, 'Message content refused'));
                }
                const from = session.envelope.mailFrom && session.envelope.mailFrom.address;
                const raw = Buffer.concat(chunks).toString('utf8');
                tell('mail', { from, to, user: session.user || null, tls: session.secure, raw });
                done();
            };
            if (to.some(address => matches(options.drop, address))) {
                tell('dropped', { to });
                return [...server.connections].find(connection => connection.session === session)._socket.destroy();
            }
            if (!to.some(address => matches(options.hang, address))) return accept();
            tell('hanging', { to });
            if (options.hang_ms) setTimeout(accept, options.hang_ms);
        });
    },
});

// A client that does not like the certificate, or hangs up, is no failure of the server.
server.on('error', error => {
    if (error.syscall === 'listen') {
        console.error(`cannot listen: ${error.message}`);
        process.exit(1);
    }
});
const listener = server.listen(options.port || 0, '127.0.0.1', () => tell('listening', { port: listener.address().port }));

process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();
