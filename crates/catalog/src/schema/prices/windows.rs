//! Parts of the week at which prices hold.

use super::super::section::{Read, Section};
use crate::provider::TimeWindow;

/// The windows, each on the same days of the week.
pub(super) fn read(section: &mut Section) -> Read<Vec<TimeWindow>> {
    let weekdays = read_weekdays(section)?;
    let mut windows = Vec::new();
    for text in section.texts("utc")? {
        let minutes = text
            .split_once('-')
            .and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
        match minutes {
            Some((from_minute, to_minute)) if from_minute < to_minute => {
                windows.push(TimeWindow {
                    from_minute,
                    to_minute,
                    weekdays,
                });
            }
            _ => {
                return Err(section.error(
                    "utc",
                    format!("`{text}` is not a window; write it as \"01:00-04:00\""),
                ));
            }
        }
    }
    if windows.is_empty() {
        return Err(section.error("utc", "is missing; write the windows as [\"01:00-04:00\"]"));
    }
    Ok(windows)
}

fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !two(hours) || !two(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= 24 * 60).then_some(minute)
}

fn read_weekdays(section: &mut Section) -> Read<u8> {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let mut bits = 0;
    for day in section.texts("weekdays")? {
        match DAYS.iter().position(|known| *known == day) {
            Some(number) => bits |= 1 << number,
            None => {
                return Err(section.error(
                    "weekdays",
                    format!("`{day}` is not a day; write mon, tue, wed, thu, fri, sat, sun"),
                ));
            }
        }
    }
    Ok(if bits == 0 { 0b111_1111 } else { bits })
}
