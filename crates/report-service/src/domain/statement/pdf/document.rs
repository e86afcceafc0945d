//! The pages, one after the other.

use money::Money;
use pdf_writer::{Filter, Finish, Rect, Ref, TextStr};

use super::{
    canvas::{Canvas, Fonts, Style},
    file::{self, File},
    fonts::Weight,
    layout::{
        AMOUNTS, BOTTOM, DETAILS, DETAILS_WIDTH, FAINT, HEIGHT, LEFT, LINE, MOST_DESCRIPTION, MOST_IDENTITIES,
        MOST_WHAT, NOTE, NUMBER_WIDTH, PADDING, RIGHT, STRONG, TEXT, TOTAL, WIDTH,
    },
};
use crate::domain::statement::{
    head::{Head, Issue, Line},
    words::{self, Words},
};

/// Writes a PDF.
pub struct Pdf {
    pub(super) head: Head,
    pub(super) issue: Issue,
    pub(super) words: &'static Words,
    pub(super) file: File,
    pub(super) fonts: Fonts,
    pub(super) tree: Ref,
    pub(super) total: Ref,
    pub(super) pages: Vec<Ref>,
    pub(super) canvas: Canvas,
    /// Where the page at hand is free from, downwards.
    pub(super) y: f32,
    pub(super) balance: Money,
    pub(super) is_empty: bool,
}

impl Pdf {
    /// A PDF with the head of the statement.
    pub fn begin(head: Head, issue: Issue) -> Self {
        let mut file = File::new();
        let [tree, total, regular, bold] = [(); 4].map(|()| file.reserve());
        let mut pdf = Self {
            words: Words::of(issue.language),
            balance: head.totals.opening_balance,
            head,
            issue,
            file,
            fonts: Fonts::new(regular, bold),
            tree,
            total,
            pages: Vec::new(),
            canvas: Canvas::new(),
            y: HEIGHT,
            is_empty: true,
        };
        pdf.first_head();
        pdf.columns();
        pdf.balance_row(pdf.words.opening);
        pdf
    }

    /// What was written since it was last asked for.
    pub fn take(&mut self) -> Vec<u8> {
        self.file.take()
    }

    /// Writes an entry.
    pub fn line(&mut self, line: &Line) {
        let language = self.issue.language;
        let entry = &line.entry;
        let lines = self.details(line);
        let height = line_count(lines.len().max(2)) * LINE + 2.0 * PADDING;
        if self.y - height < BOTTOM {
            self.turn();
        }
        self.y -= PADDING;
        let moment = entry.created_at.with_timezone(&self.head.period.zone);
        let top = self.y - LINE + 3.0;
        self.canvas.text(&mut self.fonts, TEXT, [LEFT, top], &language.day(moment.date_naive()));
        let time = moment.format("%H:%M:%S").to_string();
        self.canvas.text(&mut self.fonts, NOTE, [LEFT, top - LINE], &time);
        let amount = signed(language.number(entry.amount), entry.amount);
        self.canvas.right(&mut self.fonts, TEXT, [AMOUNTS, top], NUMBER_WIDTH, &amount);
        let balance = language.number(entry.balance_after);
        self.canvas.right(&mut self.fonts, TEXT, [RIGHT, top], NUMBER_WIDTH, &balance);
        for (style, text) in &lines {
            self.y -= LINE;
            self.canvas.fit(&mut self.fonts, *style, [DETAILS, self.y + 3.0], DETAILS_WIDTH, text);
        }
        self.y -= line_count(2_usize.saturating_sub(lines.len())) * LINE + PADDING;
        self.canvas.rule([LEFT, RIGHT], self.y, 0.4, FAINT);
        self.balance = entry.balance_after;
        self.is_empty = false;
    }

    /// The last bytes.
    pub fn end(mut self) -> Vec<u8> {
        if self.is_empty {
            self.y -= 2.0 * LINE;
            self.canvas.text(&mut self.fonts, NOTE, [DETAILS, self.y], self.words.no_entries);
            self.y -= LINE;
        }
        self.closing();
        self.end_page();
        self.write_total();
        let (catalog, info) = (self.file.reserve(), self.file.reserve());
        let Self { head, issue, words, mut file, fonts, tree, pages, .. } = self;
        file.object(tree, |chunk| {
            let count = i32::try_from(pages.len()).unwrap_or(i32::MAX);
            let media = Rect::new(0.0, 0.0, WIDTH, HEIGHT);
            chunk.pages(tree).count(count).media_box(media).kids(pages.iter().copied());
        });
        fonts.regular.write(Weight::Regular, &mut file);
        fonts.bold.write(Weight::Bold, &mut file);
        file.object(catalog, |chunk| {
            let mut dictionary = chunk.indirect(catalog).start::<pdf_writer::writers::Catalog<'_>>();
            dictionary.pages(tree).lang(TextStr(issue.language.tag()));
            dictionary.viewer_preferences().display_doc_title(true);
        });
        file.object(info, |chunk| {
            let mut document = chunk.indirect(info).start::<pdf_writer::writers::DocumentInfo<'_>>();
            let title = format!("{} {} – {}", words.title, head.user_id, head.name);
            document.title(TextStr(&title)).producer(TextStr("Digital Wallet"));
        });
        file.end(catalog, info)
    }

    /// What an entry is, line by line.
    fn details(&mut self, Line { entry, counterparty }: &Line) -> Vec<(Style, String)> {
        let words = self.words;
        let mut identities = Vec::new();
        let mut what = words::kind(&entry.kind, self.issue.language).to_owned();
        if let Some(id) = entry.counterparty_id {
            let direction = if entry.amount.is_negative() { words.to } else { words.from };
            let name = counterparty.as_deref().unwrap_or_default();
            what = format!("{what} {direction} {name}");
            identities.push(format!("{} {id}", words.account));
        }
        if let Some(id) = entry.transaction_id {
            identities.push(format!("{} {id}", words.transaction));
        }
        if let Some(reference) = &entry.reference {
            identities.push(format!("{} {reference}", words.reference));
        }
        let description = entry.description.clone().unwrap_or_default();
        let mut lines = Vec::new();
        for (style, most, text) in [
            (STRONG, MOST_WHAT, what),
            (TEXT, MOST_DESCRIPTION, description),
            (NOTE, MOST_IDENTITIES, identities.join(" · ")),
        ] {
            let wrapped = self.fonts.wrap_within(style, DETAILS_WIDTH, most, &text);
            lines.extend(wrapped.into_iter().map(|line| (style, line)));
        }
        lines
    }

    /// Goes on, on a new page.
    pub(super) fn turn(&mut self) {
        self.end_page();
        self.later_head();
        self.columns();
        self.balance_row(self.words.carried);
    }

    /// Writes the page at hand with its footer.
    fn end_page(&mut self) {
        let number = self.issue.language.count(self.pages.len() as u64 + 1);
        self.footer(&number);
        let content = std::mem::replace(&mut self.canvas, Canvas::new()).finish();
        let (id, page) = (self.file.reserve(), self.file.reserve());
        self.file.stream(id, &content);
        let (tree, total) = (self.tree, self.total);
        let fonts = [(Weight::Regular, self.fonts.regular.id()), (Weight::Bold, self.fonts.bold.id())];
        self.file.object(page, |chunk| {
            let mut dictionary = chunk.page(page);
            dictionary.parent(tree).contents(id);
            let mut resources = dictionary.resources();
            let mut named = resources.fonts();
            for (weight, font) in fonts {
                named.pair(weight.resource(), font);
            }
            named.finish();
            resources.x_objects().pair(TOTAL, total);
        });
        self.pages.push(page);
        self.y = HEIGHT;
    }

    /// Writes how many pages there are: all of them show it.
    fn write_total(&mut self) {
        let mut canvas = Canvas::new();
        let count = self.issue.language.count(self.pages.len() as u64);
        let end = canvas.text(&mut self.fonts, NOTE, [0.0, 0.0], &count);
        let content = file::compressed(&canvas.finish());
        let (total, font) = (self.total, self.fonts.regular.id());
        self.file.object(total, |chunk| {
            let mut form = chunk.form_xobject(total, &content);
            form.filter(Filter::FlateDecode);
            form.bbox(Rect::new(0.0, -NOTE.size, end.max(1.0), NOTE.size));
            form.resources().fonts().pair(NOTE.weight.resource(), font);
        });
    }
}

/// A number with its sign, also if that is a plus.
fn signed(number: String, amount: Money) -> String {
    if amount > Money::ZERO { format!("+{number}") } else { number }
}

#[expect(clippy::cast_precision_loss, reason = "an entry has few lines")]
fn line_count(lines: usize) -> f32 {
    lines as f32
}
