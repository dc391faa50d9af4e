//! Writes the text of a `db.json`.

use std::io::{self, Write};

use crate::{
    document::other_members::{LAST_IDS, OtherMembers},
    memory::{blocks::Block, image::Image},
};

/// Writes a `db.json` with the records of `image`, one record per line, and with these other
/// members.
///
/// # Errors
/// Any error of `out`.
pub(crate) fn write(
    image: Image,
    other_members: &OtherMembers,
    out: &mut impl Write,
) -> io::Result<()> {
    let last_ids = other_members.last_ids(&image);
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
    writeln!(out, "\n}}")
}
