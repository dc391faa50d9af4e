//! Writes the text of a `db.json`.

use std::io::{self, Write};

use crate::{
    document::other_members::{LAST_IDS, OtherMembers, keys::IDEMPOTENCY_KEYS},
    memory::{blocks::Block, image::Image, remembered::Remembered},
};

/// Writes a `db.json` with the records and remembered keys of `image`, one per line, and with
/// these other members.
///
/// # Errors
/// Any error of `out`.
pub(crate) fn write(
    mut image: Image,
    other_members: &OtherMembers,
    out: &mut impl Write,
) -> io::Result<()> {
    let last_ids = other_members.last_ids(&image);
    let (collection, keys) = (image.collection, std::mem::take(&mut image.keys));
    let mut separator = "{\n";
    let mut member = |out: &mut dyn Write, name: &str| {
        let name = serde_json::to_string(name)?;
        write!(out, "{separator}  {name}: ")?;
        separator = ",\n";
        io::Result::Ok(())
    };
    let (before, after) = other_members.around();
    for (name, value) in before {
        member(out, name)?;
        write!(out, "{value}")?;
    }
    member(out, image.collection)?;
    let mut between = "[\n    ";
    let mut end = "[]";
    // Each page is released as soon as it is written: the collection may have
    // replaced it meanwhile.
    for page in image.into_pages() {
        for slot in 0..page.len() {
            out.write_all(between.as_bytes())?;
            out.write_all(page.record(slot))?;
            between = ",\n    ";
            end = "\n  ]";
        }
    }
    out.write_all(end.as_bytes())?;
    for (name, value) in after {
        member(out, name)?;
        write!(out, "{value}")?;
    }
    if !last_ids.is_empty() {
        member(out, LAST_IDS)?;
        serde_json::to_writer(&mut *out, &last_ids)?;
    }
    let keys = other_members.keys.with(collection, &keys);
    if !keys.is_empty() {
        member(out, IDEMPOTENCY_KEYS)?;
        write_keys(&keys, out)?;
    }
    writeln!(out, "\n}}")
}

/// Writes the remembered keys of each collection, one key per line.
fn write_keys(keys: &[(&str, Vec<&Remembered>)], out: &mut impl Write) -> io::Result<()> {
    let mut separator = "{";
    for (collection, keys) in keys {
        write!(out, "{separator}{}: ", serde_json::to_string(collection)?)?;
        let mut between = "[\n    ";
        for key in keys {
            out.write_all(between.as_bytes())?;
            serde_json::to_writer(&mut *out, key)?;
            between = ",\n    ";
        }
        write!(out, "\n  ]")?;
        separator = ", ";
    }
    write!(out, "}}")
}
