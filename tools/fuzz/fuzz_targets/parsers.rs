//! Coverage-guided search for input that breaks what a parser promises. The first byte chooses the parser.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some((choice, input)) = data.split_first() {
        let (_, promise) = fuzz::PROMISES[usize::from(*choice) % fuzz::PROMISES.len()];
        promise(input);
    }
});
