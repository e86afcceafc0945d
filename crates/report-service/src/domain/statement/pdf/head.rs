//! What stands on a page around the entries.

use super::{
    canvas::Style,
    document::Pdf,
    fonts::Weight,
    layout::{
        AMOUNTS, BOTTOM, BRAND, COLUMN, DETAILS, DETAILS_WIDTH, FAINT, FEWEST_ON_A_PAGE, GREY, HEIGHT, INK, LEFT, LINE,
        MOST_NAME, NOTE, NUMBER_WIDTH, PADDING, PAPER, RIGHT, STRONG, TEXT, TOTAL,
    },
};

/// What the wallet calls itself.
const BRAND_NAME: &str = "Digital Wallet";
const TITLE: Style = Style { weight: Weight::Bold, size: 18.0, color: INK };
const BRAND_STYLE: Style = Style { weight: Weight::Bold, size: 10.0, color: BRAND };
const NAME: Style = Style { weight: Weight::Bold, size: 11.0, color: INK };
const SUM: Style = Style { weight: Weight::Bold, size: 11.0, color: INK };
/// Where the right half of the head begins.
const MIDDLE: f32 = 318.0;
/// How wide the names of values are there.
const LABEL: f32 = 70.0;
/// How high the box with the sums is.
const BOX: f32 = 44.0;

impl Pdf {
    /// The head of the first page.
    pub(super) fn first_head(&mut self) {
        let language = self.issue.language;
        let words = self.words;
        let period = self.period();
        let fonts = &mut self.fonts;
        self.canvas.text(fonts, BRAND_STYLE, [LEFT, HEIGHT - 56.0], BRAND_NAME);
        self.canvas.text(fonts, TITLE, [LEFT, HEIGHT - 84.0], words.title);
        self.canvas.rule([LEFT, RIGHT], HEIGHT - 96.0, 1.2, BRAND);
        let top = HEIGHT - 118.0;
        let mut y = top;
        let zone = self.head.period.zone;
        let issued = language.moment(self.issue.at.with_timezone(&zone));
        let left = [(words.name, NAME, self.head.name.clone()), (words.account, TEXT, self.head.user_id.to_string())];
        for (label, style, value) in left {
            self.canvas.text(fonts, NOTE, [LEFT, y], label);
            y -= style.size + 3.0;
            for line in fonts.wrap_within(style, MIDDLE - LEFT - 20.0, MOST_NAME, &value) {
                self.canvas.text(fonts, style, [LEFT, y], &line);
                y -= style.size + 3.0;
            }
            y -= 4.0;
        }
        let mut right = top;
        for (label, value) in [
            (words.period, period),
            (words.time_zone, zone.name().to_owned()),
            (words.currency, self.head.currency.clone()),
            (words.entries, language.count(self.head.totals.entries)),
            (words.issued, issued),
        ] {
            self.canvas.text(fonts, NOTE, [MIDDLE, right], label);
            for line in fonts.wrap(TEXT, RIGHT - MIDDLE - LABEL, &value) {
                self.canvas.text(fonts, TEXT, [MIDDLE + LABEL, right], &line);
                right -= LINE + 2.5;
            }
        }
        self.y = y.min(right) - 2.0;
        self.sums();
    }

    /// The head of the other pages.
    pub(super) fn later_head(&mut self) {
        let y = HEIGHT - 50.0;
        let end = self.canvas.text(&mut self.fonts, BRAND_STYLE, [LEFT, y], BRAND_NAME);
        self.canvas.text(&mut self.fonts, TEXT, [end + 8.0, y], self.words.title);
        let period = self.period();
        self.canvas.right(&mut self.fonts, NOTE, [RIGHT, y], RIGHT - MIDDLE, &period);
        let account = format!("{} {} · {}", self.words.account, self.head.user_id, self.head.name);
        self.canvas.fit(&mut self.fonts, NOTE, [LEFT, y - 13.0], RIGHT - LEFT, &account);
        self.canvas.rule([LEFT, RIGHT], y - 21.0, 1.2, BRAND);
        self.y = y - 26.0;
    }

    /// The names of the columns.
    pub(super) fn columns(&mut self) {
        let words = self.words;
        let y = self.y - 14.0;
        let fonts = &mut self.fonts;
        self.canvas.text(fonts, COLUMN, [LEFT, y], words.date);
        self.canvas.text(fonts, COLUMN, [DETAILS, y], words.details);
        self.canvas.right(fonts, COLUMN, [AMOUNTS, y], NUMBER_WIDTH, words.amount);
        self.canvas.right(fonts, COLUMN, [RIGHT, y], NUMBER_WIDTH, words.balance);
        self.y = y - 6.0;
        self.canvas.rule([LEFT, RIGHT], self.y, 0.8, GREY);
    }

    /// A row with nothing but the balance and what it is.
    pub(super) fn balance_row(&mut self, label: &str) {
        let y = self.y - PADDING - LINE + 3.0;
        let balance = self.issue.language.number(self.balance);
        self.canvas.text(&mut self.fonts, STRONG, [DETAILS, y], label);
        self.canvas.right(&mut self.fonts, STRONG, [RIGHT, y], NUMBER_WIDTH, &balance);
        self.y = y - 3.0 - PADDING;
        self.canvas.rule([LEFT, RIGHT], self.y, 0.4, FAINT);
    }

    /// What stands below the last entry.
    pub(super) fn closing(&mut self) {
        let height = 2.0 * (LINE + PADDING) + 3.0 * LINE + 16.0;
        if self.y - height < BOTTOM {
            self.turn();
        }
        let language = self.issue.language;
        let (words, totals) = (self.words, self.head.totals);
        let y = self.y - PADDING - LINE + 3.0;
        let sums = format!(
            "{} {} · {} {}",
            words.total_in,
            language.number(totals.total_in),
            words.total_out,
            language.number(totals.total_out)
        );
        self.canvas.text(&mut self.fonts, STRONG, [DETAILS, y], words.closing);
        let balance = language.number(totals.closing_balance);
        self.canvas.right(&mut self.fonts, STRONG, [RIGHT, y], NUMBER_WIDTH, &balance);
        self.canvas.fit(&mut self.fonts, NOTE, [DETAILS, y - LINE], RIGHT - DETAILS, &sums);
        self.y = y - LINE - 3.0 - PADDING;
        self.canvas.rule([LEFT, RIGHT], self.y, 0.8, GREY);
        let code = self.issue.code.to_string();
        self.y -= 8.0 + LINE;
        let end = self.canvas.text(&mut self.fonts, NOTE, [LEFT, self.y], words.code);
        self.canvas.text(&mut self.fonts, STRONG, [end + 5.0, self.y], &code);
        self.y -= LINE;
        let place = format!("{} /statements/verify/{code}", words.verify);
        self.canvas.text(&mut self.fonts, NOTE, [LEFT, self.y], &place);
    }

    /// What stands at the end of each page.
    pub(super) fn footer(&mut self, page: &str) {
        let (words, language) = (self.words, self.issue.language);
        let y = 44.0;
        self.canvas.rule([LEFT, RIGHT], y + 14.0, 0.4, FAINT);
        let code = format!("{} {}", words.code, self.issue.code);
        self.canvas.text(&mut self.fonts, NOTE, [LEFT, y], &code);
        let page = format!("{} {page} {} ", words.page, words.of);
        // so there is room for the number of pages, whatever it comes to
        let most = language.count(self.head.totals.entries / FEWEST_ON_A_PAGE + 1);
        let x = RIGHT - self.fonts.glyphs(NOTE.weight, &most).width * NOTE.size;
        self.canvas.right(&mut self.fonts, NOTE, [x, y], DETAILS_WIDTH, &page);
        self.canvas.place(TOTAL, [x, y]);
    }

    /// Opening balance, money in and out, closing balance, side by side.
    fn sums(&mut self) {
        let language = self.issue.language;
        let (words, totals) = (self.words, self.head.totals);
        let bottom = self.y - BOX;
        self.canvas.fill([LEFT, bottom], [RIGHT - LEFT, BOX], PAPER);
        let cell = (RIGHT - LEFT) / 4.0;
        let mut x = LEFT + 10.0;
        for (label, sum) in [
            (words.opening, totals.opening_balance),
            (words.total_in, totals.total_in),
            (words.total_out, totals.total_out),
            (words.closing, totals.closing_balance),
        ] {
            self.canvas.text(&mut self.fonts, NOTE, [x, bottom + BOX - 16.0], label);
            self.canvas.fit(&mut self.fonts, SUM, [x, bottom + 11.0], cell - 16.0, &language.number(sum));
            x += cell;
        }
        self.y = bottom - 4.0;
    }

    /// The period, in days where it consists of them.
    fn period(&self) -> String {
        let language = self.issue.language;
        let period = &self.head.period;
        if period.is_whole_days() {
            let (first, last) = (period.first_day(), period.last_day());
            return if first == last {
                language.day(first)
            } else {
                format!("{} – {}", language.day(first), language.day(last))
            };
        }
        let moment = |moment: chrono::DateTime<chrono::Utc>| language.moment(moment.with_timezone(&period.zone));
        format!("{} – {}", moment(period.from), moment(period.to))
    }
}
