//! The words of a printed statement.

use crate::domain::language::Language;

/// The words of a language.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    pub title: &'static str,
    pub name: &'static str,
    pub account: &'static str,
    pub currency: &'static str,
    pub period: &'static str,
    pub time_zone: &'static str,
    pub issued: &'static str,
    pub opening: &'static str,
    pub closing: &'static str,
    pub total_in: &'static str,
    pub total_out: &'static str,
    pub entries: &'static str,
    pub date: &'static str,
    pub details: &'static str,
    pub amount: &'static str,
    pub balance: &'static str,
    pub to: &'static str,
    pub from: &'static str,
    pub transaction: &'static str,
    pub reference: &'static str,
    pub carried: &'static str,
    pub no_entries: &'static str,
    pub page: &'static str,
    pub of: &'static str,
    pub code: &'static str,
    pub verify: &'static str,
}

const ENGLISH: Words = Words {
    title: "Account statement",
    name: "Name",
    account: "Account",
    currency: "Currency",
    period: "Period",
    time_zone: "Time zone",
    issued: "Issued",
    opening: "Opening balance",
    closing: "Closing balance",
    total_in: "Money in",
    total_out: "Money out",
    entries: "Entries",
    date: "Date",
    details: "Details",
    amount: "Amount",
    balance: "Balance",
    to: "to",
    from: "from",
    transaction: "Transaction",
    reference: "Reference",
    carried: "Balance brought forward",
    no_entries: "There are no entries in this period.",
    page: "Page",
    of: "of",
    code: "Verification code",
    verify: "Anybody can check this statement at",
};

const INDONESIAN: Words = Words {
    title: "Rekening koran",
    name: "Nama",
    account: "Rekening",
    currency: "Mata uang",
    period: "Periode",
    time_zone: "Zona waktu",
    issued: "Diterbitkan",
    opening: "Saldo awal",
    closing: "Saldo akhir",
    total_in: "Uang masuk",
    total_out: "Uang keluar",
    entries: "Mutasi",
    date: "Tanggal",
    details: "Keterangan",
    amount: "Jumlah",
    balance: "Saldo",
    to: "kepada",
    from: "dari",
    transaction: "Transaksi",
    reference: "Referensi",
    carried: "Saldo pindahan",
    no_entries: "Tidak ada mutasi dalam periode ini.",
    page: "Halaman",
    of: "dari",
    code: "Kode verifikasi",
    verify: "Keaslian dokumen ini dapat diperiksa di",
};

impl Words {
    /// Those of `language`.
    pub fn of(language: Language) -> &'static Self {
        language.pick(&ENGLISH, &INDONESIAN)
    }
}

/// What a kind of entry is called; a kind that is not known here keeps its word.
pub fn kind(kind: &str, language: Language) -> &str {
    let (english, indonesian) = match kind {
        "topup" => ("Top-up", "Isi saldo"),
        "credit" => ("Credit", "Kredit"),
        "debit" => ("Debit", "Debit"),
        "transfer" => ("Transfer", "Transfer"),
        "hold" => ("Amount held", "Dana ditahan"),
        "release" => ("Hold released", "Dana dilepaskan"),
        "capture" => ("Payment received", "Pembayaran diterima"),
        "refund" => ("Refund", "Pengembalian dana"),
        "fee" => ("Fee", "Biaya"),
        "payout" => ("Payout", "Pencairan saldo"),
        unknown => return unknown,
    };
    language.pick(english, indonesian)
}
