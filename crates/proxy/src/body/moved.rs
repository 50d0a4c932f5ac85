//! How much money a request moves, by its form (`application/x-www-form-urlencoded`, as Stripe takes it).

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// Nano-dollars in a US cent.
const NANOS_PER_CENT: u64 = 10_000_000;
/// The most that the smallest unit of any currency is worth, in nano-dollars: a cent and a half. The dearest are the penny of the
/// pound sterling and of the currencies at par with it, at 1.2 to 1.4 cents in the years 2016 to 2026; those of the dinars of Kuwait
/// and Bahrain are thousandths and so worth less.
const MOST_PER_UNIT: u64 = NANOS_PER_CENT / 2 * 3;

/// The most that the form moves, in nano-dollars: `amount` is the field that says it, in the smallest unit of `currency`. `None` where
/// that is not said once and plainly, in the body alone.
pub(crate) fn read(headers: &HeaderMap, query: Option<&str>, body: &[u8], amount: &str) -> Option<u64> {
    if !is_form(headers) || field(query.unwrap_or_default().as_bytes(), amount) != Field::Absent {
        return None;
    }
    let Field::Once(units) = field(body, amount) else {
        return None;
    };
    let is_plain = (1..=15).contains(&units.len()) && units.bytes().all(|byte| byte.is_ascii_digit());
    let units: u64 = units.parse().ok().filter(|_| is_plain)?;
    let each = match field(body, "currency") {
        Field::Once(currency) if currency.eq_ignore_ascii_case("usd") => NANOS_PER_CENT,
        Field::Once(_) | Field::Absent => MOST_PER_UNIT,
        Field::Again => return None,
    };
    units.checked_mul(each)
}

/// Nano-dollars of an amount that an answer states in the smallest unit of this currency; `None` where it is not the dollar.
pub(crate) fn stated(units: u64, currency: &str) -> Option<u64> {
    currency
        .eq_ignore_ascii_case("usd")
        .then(|| units.saturating_mul(NANOS_PER_CENT))
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let kind = values.next().map(|value| value.as_bytes().to_ascii_lowercase());
    let kind = kind.unwrap_or_default();
    let mut parts = kind.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    parts.next() == Some(b"application/x-www-form-urlencoded".as_slice())
        && parts.all(|parameter| matches!(parameter, b"charset=utf-8" | b"charset=\"utf-8\""))
        && values.next().is_none()
}

#[derive(Debug, PartialEq, Eq)]
enum Field {
    Absent,
    Once(String),
    /// Several times, or as a list.
    Again,
}

fn field(form: &[u8], wanted: &str) -> Field {
    let mut found = Field::Absent;
    for (name, value) in form_urlencoded::parse(form) {
        let rest = name.trim().strip_prefix(wanted);
        found = match (rest, found) {
            (Some(""), Field::Absent) => Field::Once(value.into_owned()),
            (Some(""), _) => Field::Again,
            (Some(rest), _) if rest.starts_with('[') => Field::Again,
            (_, found) => found,
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(body: &str) -> Option<u64> {
        let headers =
            HeaderMap::from_iter([(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap())]);
        read(&headers, None, body.as_bytes(), "amount")
    }

    #[test]
    fn dollars_are_exact_and_other_currencies_are_bounded() {
        assert_eq!(moved("amount=2000&currency=usd"), Some(20_000_000_000));
        assert_eq!(moved("currency=USD&amount=1&x=y"), Some(10_000_000));
        assert_eq!(moved("%61mount=5&currency=usd"), Some(50_000_000));
        for other in ["amount=2000&currency=gbp", "charge=ch_1&amount=2000"] {
            assert_eq!(moved(other), Some(30_000_000_000), "{other}");
        }
        assert_eq!(moved("amount=0&currency=usd"), Some(0));
    }

    #[test]
    fn what_is_not_said_plainly_is_not_known() {
        for unclear in [
            "",
            "charge=ch_1",
            "amount=",
            "amount=-5",
            "amount=+5",
            "amount=1e9",
            "amount=1.5",
            "amount=1&amount=2",
            "amount[]=1",
            "amount=1&amount[0]=2",
            "amount=1&currency=usd&currency=gbp",
            "amount=9999999999999999",
            "amount=999999999999999&currency=gbp",
        ] {
            assert_eq!(moved(unclear), None, "{unclear}");
        }
        let typed = |kinds: &[&str], query| {
            let headers = kinds.iter().map(|kind| (CONTENT_TYPE, kind.parse().unwrap()));
            read(
                &HeaderMap::from_iter(headers),
                query,
                b"amount=1&currency=usd",
                "amount",
            )
        };
        let form = "application/x-www-form-urlencoded";
        assert_eq!(
            typed(&[&format!("{form}; charset=UTF-8")], Some("expand[]=x")),
            Some(10_000_000)
        );
        assert_eq!(typed(&[form], Some("amount=7")), None);
        assert_eq!(typed(&[], None), None);
        assert_eq!(typed(&["application/json"], None), None);
        assert_eq!(typed(&[form, form], None), None);
    }

    #[test]
    fn an_answer_counts_in_dollars_alone() {
        assert_eq!(stated(1_234, "usd"), Some(12_340_000_000));
        assert_eq!(stated(1_234, "eur"), None);
    }
}
