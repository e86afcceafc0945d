//! The objects of a PDF (ISO 32000-1), written one after the other. Nothing is kept of one but where it begins.

use std::io::Write;

use miniz_oxide::deflate::compress_to_vec_zlib;
use pdf_writer::{Chunk, Filter, Ref};

/// How hard streams are compressed: harder takes far more time and saves little.
const COMPRESSION: u8 = 3;
/// What a file begins with. The second line says that it is binary.
const BEGIN: &[u8] = b"%PDF-1.7\n%\x80\x80\x80\x80\n\n";

/// A PDF that is being written.
pub struct File {
    /// What has not been taken yet.
    pending: Vec<u8>,
    taken: usize,
    /// Where each object begins, by its number less 1.
    offsets: Vec<usize>,
}

impl File {
    /// A file without objects.
    pub fn new() -> Self {
        Self { pending: BEGIN.to_vec(), taken: 0, offsets: Vec::new() }
    }

    /// The next number of an object, which must be written in the end.
    pub fn reserve(&mut self) -> Ref {
        self.offsets.push(0);
        Ref::new(i32::try_from(self.offsets.len()).expect("there are fewer objects"))
    }

    /// Writes the object `id`, and no other, with `write`.
    pub fn object(&mut self, id: Ref, write: impl FnOnce(&mut Chunk)) {
        self.offsets[place(id)] = self.taken + self.pending.len();
        let mut chunk = Chunk::new();
        write(&mut chunk);
        self.pending.extend_from_slice(chunk.as_bytes());
    }

    /// Writes a stream as the object `id`.
    pub fn stream(&mut self, id: Ref, data: &[u8]) {
        let data = compressed(data);
        self.object(id, |chunk| {
            chunk.stream(id, &data).filter(Filter::FlateDecode);
        });
    }

    /// What was written since it was last asked for.
    pub fn take(&mut self) -> Vec<u8> {
        self.taken += self.pending.len();
        std::mem::take(&mut self.pending)
    }

    /// Ends the file with where its objects are.
    pub fn end(mut self, catalog: Ref, info: Ref) -> Vec<u8> {
        let begin = self.taken + self.pending.len();
        let size = self.offsets.len() + 1;
        let out = &mut self.pending;
        let mut write = || -> std::io::Result<()> {
            write!(out, "xref\n0 {size}\n0000000000 65535 f\r\n")?;
            for offset in &self.offsets {
                write!(out, "{offset:010} 00000 n\r\n")?;
            }
            let (root, info) = (catalog.get(), info.get());
            write!(out, "trailer\n<</Size {size}/Root {root} 0 R/Info {info} 0 R>>\nstartxref\n{begin}\n%%EOF\n")
        };
        write().expect("a Vec takes everything");
        self.pending
    }
}

/// The data of a stream with [`Filter::FlateDecode`].
pub fn compressed(data: &[u8]) -> Vec<u8> {
    compress_to_vec_zlib(data, COMPRESSION)
}

fn place(id: Ref) -> usize {
    usize::try_from(id.get() - 1).expect("numbers begin with 1")
}
