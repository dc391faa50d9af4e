use serde_json::{Value, json};

use super::*;

const BASE: &str = "00000000000000000000000000000001";

/// A journal of these lines, without room.
fn text(lines: &[Value]) -> String {
    let mut text = String::new();
    for line in lines {
        text += &line_at(text.len() as u64, line).unwrap();
    }
    text
}

fn with_room(mut text: String) -> String {
    let length = usize::try_from(length_for(text.len() as u64)).unwrap();
    text += &"\n".repeat(length - text.len());
    text
}

fn lines() -> Vec<Value> {
    vec![
        json!({"journal": 1, "collection": "users", "base": BASE}),
        json!({"batch": 1, "changes": [{"put": {"id": 1, "name": "J*"}}, {"delete": 4}]}),
        json!({"batch": 2, "checkpoint": "0000000000000000000000000000002a"}),
        json!({"batch": 3, "changes": [{"delete": 1}]}),
    ]
}

fn batches(bytes: impl AsRef<[u8]>) -> Result<usize, JournalError> {
    JournalContents::parse(bytes.as_ref(), "users").map(|journal| journal.entries.len())
}

#[test]
fn a_journal_is_read_up_to_its_room() {
    let whole = with_room(text(&lines()));
    assert_eq!(batches(&whole), Ok(3));
    let journal = JournalContents::parse(whole.as_bytes(), "users").unwrap();
    assert_eq!(journal.end, text(&lines()).len() as u64);
    assert_eq!(journal.torn_bytes, 0);
    // More room is being written: missing parts of it are zeros, or behind the end.
    for more in [
        "\n".repeat(700),
        "\0".repeat(700),
        "\n\n\0".into(),
        "\0".into(),
    ] {
        assert_eq!(batches(whole.clone() + &more), Ok(3));
    }
}

#[test]
fn cut_anywhere_it_is_refused_there() {
    let whole = with_room(text(&lines()));
    for cut in 0..whole.len() {
        let refused = batches(&whole[..cut]).expect_err("a cut is damage");
        assert_eq!((refused.offset, refused.cut_from), (cut, Some(ROOM)));
    }
}

#[test]
fn cut_and_filled_up_it_is_what_was_whole_before_the_cut() {
    let whole = text(&lines());
    let ends: Vec<_> = whole.match_indices('\n').map(|(at, _)| at).collect();
    for cut in ends[0] + 1..=whole.len() {
        let filled = whole[..cut].to_owned() + &"\0".repeat(usize::try_from(ROOM).unwrap() - cut);
        let complete = ends.iter().filter(|end| cut > **end).count();
        // Without its line feed, the last line could be whole or torn. The zeros decide
        // that it is torn.
        assert_eq!(batches(&filled), Ok(complete.max(1) - 1), "cut at {cut}");
    }
}

#[test]
fn any_damaged_byte_is_refused_at_its_line_or_changes_nothing() {
    let end = text(&lines()).len();
    let whole = with_room(text(&lines()));
    let starts = |at: usize| whole[..at].rfind('\n').map_or(0, |start| start + 1);
    let mut bytes = whole.clone().into_bytes();
    for at in 0..end {
        let before = bytes[at];
        for damage in (0..=255).filter(|damage| *damage != before) {
            // A line before the last cannot be torn: a few kinds of damage suffice there.
            if at < starts(end - 1) && !(before ^ damage).is_power_of_two() {
                continue;
            }
            bytes[at] = damage;
            let refused = batches(&bytes).expect_err("a damaged byte");
            // The line feed between two lines belongs to the first.
            assert_eq!(refused.offset, starts(at), "byte {at} is {damage}");
        }
        bytes[at] = before;
    }
    for at in end..whole.len() {
        for damage in [b'\0', b' ', b'x', 0xff] {
            let before = std::mem::replace(&mut bytes[at], damage);
            match batches(&bytes) {
                Ok(batches) => assert_eq!(batches, 3, "byte {at} is {damage}"),
                // Read as the end of a line, the damaged byte would need more room behind it.
                Err(refused) => assert!(at + 2 >= whole.len() && refused.cut_from.is_some()),
            }
            bytes[at] = before;
        }
    }
}

/// A batch whose line is at least this long.
fn long(number: usize, length: usize) -> Value {
    json!({"batch": number, "changes": [{"put": {"id": 1, "x": "x".repeat(length)}}]})
}

#[test]
fn a_batch_of_which_sectors_are_missing_is_torn() {
    // Tries every offset within a sector at which a line can begin and end.
    for length in 0..SECTOR {
        let start = text(&[lines()[0].clone(), long(1, length)]);
        let whole = text(&[lines()[0].clone(), long(1, length), long(2, 1100)]);
        let first = start.len() / SECTOR;
        let sectors = whole.len().div_ceil(SECTOR) - first;
        // Every set of sectors except all of them: then the line would be whole.
        for arrived in 0..(1 << sectors) - 1 {
            let mut bytes = with_room(whole.clone()).into_bytes();
            for missing in (0..sectors).filter(|number| arrived & (1 << number) == 0) {
                let from = ((first + missing) * SECTOR).max(start.len());
                bytes[from..(first + missing + 1) * SECTOR].fill(b'\n');
            }
            let read = batches(&bytes);
            // A missing sector that holds only the last line feed looks as if it were written.
            let only_room =
                whole.len() % SECTOR == 1 && arrived | (1 << (sectors - 1)) == (1 << sectors) - 1;
            assert_eq!(
                read,
                Ok(if only_room { 2 } else { 1 }),
                "length {length}, arrived {arrived:b}"
            );
        }
    }
}

#[test]
fn lines_of_others_and_lines_out_of_order_are_refused() {
    let refused = |lines: &[Value], collection| {
        let text = with_room(text(lines));
        JournalContents::parse(text.as_bytes(), collection)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(&lines(), "posts"),
        "byte 0: expected a journal of posts, found one of users"
    );
    let mut missing = lines();
    missing.remove(2);
    let expected = "expected batch 2, found 3";
    assert!(refused(&missing, "users").ends_with(expected));
    let newer = json!({"journal": 2, "collection": "users", "base": BASE});
    assert!(refused(&[newer], "users").contains("newer"));
    assert_eq!(
        refused(&lines()[1..], "users"),
        "byte 0: expected a journal's header"
    );
    let blank = "\n".repeat(usize::try_from(ROOM).unwrap());
    assert_eq!(
        batches(blank).unwrap_err().detail,
        "expected a journal's header"
    );
}
