//! What a mail about an event says: what happened, what follows from it, and the command that helps.

use keystore_store::mails::Waiting;
use keystore_wire::credentials::DEFAULT_NAME;

use super::{Mail, market, one_line};

/// The most characters of an agent's reason in a mail.
const LONGEST_REASON: usize = 300;

/// The words of one event.
pub(super) struct Words {
    pub(super) subject: String,
    /// What happened: sentences.
    pub(super) happened: String,
    /// What the command is for.
    pub(super) purpose: &'static str,
    /// The command, without `ks` and the server's address.
    pub(super) command: String,
}

/// The mail about an event to one person.
pub(super) fn mail(api_url: &str, waiting: &Waiting) -> Mail {
    let Words {
        subject,
        happened,
        purpose,
        command,
    } = words(&Place { api_url, waiting });
    Mail {
        to: waiting.email.clone(),
        subject: one_line(&subject),
        text: format!(
            "{happened}\n\n{purpose}, run\n\n  ks {command} --api-url {api_url}\n\nYou get this because you are an owner or an \
             admin there. `ks org update --event-mails false` turns these mails off.\n"
        ),
    }
}

/// Where it happened, and the facts.
pub(super) struct Place<'a> {
    api_url: &'a str,
    pub(super) waiting: &'a Waiting,
}

impl Place<'_> {
    /// A fact as text; empty where there is none.
    pub(super) fn fact(&self, name: &str) -> String {
        match &self.waiting.data[name] {
            serde_json::Value::String(text) => one_line(text),
            serde_json::Value::Null => String::new(),
            other => other.to_string(),
        }
    }

    /// The key as commands name it.
    fn key(&self) -> String {
        let (provider, name) = (self.fact("provider"), self.fact("name"));
        match name == DEFAULT_NAME {
            true => provider,
            false => format!("{provider}/{name}"),
        }
    }

    pub(super) fn org(&self) -> String {
        format!(
            "{} on Keystore ({})",
            one_line(&self.waiting.org_name),
            self.api_url
        )
    }

    /// In which project of which organization.
    fn project(&self) -> String {
        match &self.waiting.project {
            Some(project) => format!("in the project {project} of {}", self.org()),
            None => format!("in {}", self.org()),
        }
    }

    /// A command about the key.
    fn about_key(&self, what: &str) -> String {
        self.within(format!("provider {what} {}", quoted(&self.key())))
    }

    /// A command in the project.
    fn within(&self, command: String) -> String {
        match &self.waiting.project {
            Some(project) => format!("{command} --project {project}"),
            None => command,
        }
    }
}

fn words(place: &Place<'_>) -> Words {
    let fact = |name: &str| place.fact(name);
    let subject = &place.waiting.subject;
    match place.waiting.kind.as_str() {
        "usage.threshold" => Words {
            subject: format!("A budget has used {} %", fact("threshold")),
            happened: format!(
                "A budget {} has used {} % of what it allows: {} of {} ({}) since {}.",
                place.project(),
                fact("threshold"),
                fact("spent"),
                fact("limit"),
                fact("unit"),
                fact("windowStart")
            ),
            purpose: "To see it",
            command: format!("budget show {subject}"),
        },
        "agent.budget_exceeded" => Words {
            subject: "A budget refuses calls".to_owned(),
            happened: format!(
                "A budget {} does not afford a call any more, which was refused: {} of {} ({}) are spent since {}.",
                place.project(),
                fact("spent"),
                fact("limit"),
                fact("unit"),
                fact("windowStart")
            ),
            purpose: "To raise it for a while",
            command: format!("budget raise {subject} --limit <amount> --for 24h"),
        },
        "credential.invalid" => Words {
            subject: format!("{} refuses the key {}", fact("provider"), place.key()),
            happened: format!(
                "{} refuses the key {} {}. Requests that need it fail.",
                fact("provider"),
                place.key(),
                place.project()
            ),
            purpose: "To put a new one in its place",
            command: place.about_key("rotate"),
        },
        "provider.circuit_opened" => Words {
            subject: format!("{} fails", fact("host")),
            happened: format!(
                "{} fails again and again. Calls with the key {} {} are held back until it answers.",
                fact("host"),
                place.key(),
                place.project()
            ),
            purpose: "To ask it now",
            command: place.about_key("test"),
        },
        "provider.circuit_closed" => Words {
            subject: format!("{} answers again", fact("host")),
            happened: format!(
                "{} answers again. Calls with the key {} {} go on.",
                fact("host"),
                place.key(),
                place.project()
            ),
            purpose: "To see what happened",
            command: "events".to_owned(),
        },
        "abuse.detected" => abuse(place),
        "agent.key_in_answer" => key_in_answer(place),
        "access.requested" => access(place),
        "credential.expiring" => reminder(place, "ends", "From then on, requests that need it are refused."),
        "credential.rotation_due" => reminder(place, "should be rotated", "It works on after that."),
        "webhook.disabled" => Words {
            subject: "A webhook was disabled".to_owned(),
            happened: format!(
                "The webhook at {} of {} is disabled: {}. What happens is not told to it any more.",
                fact("host"),
                place.org(),
                match fact("because").as_str() {
                    "gone" => "it says that it wants no more (410)",
                    "lost" => "its secret was destroyed with the organization's keys",
                    _ => "it took nothing for 72 hours",
                }
            ),
            purpose: "When it is well again",
            command: format!("webhook update {subject} --enable"),
        },
        "pool.rotation_waits" | "pool.key_rotated" | "pool.rotation_undone" => rotation(place),
        other => market::words(place).unwrap_or_else(|| Words {
            subject: other.to_owned(),
            happened: format!("{other}: {subject} {}.", place.project()),
            purpose: "To see what happened",
            command: "events".to_owned(),
        }),
    }
}

/// An agent was given what looks like a key, or would have been.
fn key_in_answer(place: &Place<'_>) -> Words {
    let fact = |name: &str| place.fact(name);
    let (agent, provider, form) = (fact("agent"), fact("provider"), fact("form"));
    let follows = match fact("takenOut").as_str() {
        "true" => "The agent was given asterisks in its place.",
        _ => "The agent has it. If it is a real one, revoke it at its vendor.",
    };
    Words {
        subject: format!("An answer to the agent {agent} held a key"),
        happened: format!(
            "An answer of {provider} to the agent {agent} {} held what looks like a key of {form}. {follows}",
            place.project()
        ),
        purpose: "To see the call",
        command: format!("requests get {}", fact("request")),
    }
}

/// A rule against abuse found too much.
fn abuse(place: &Place<'_>) -> Words {
    let fact = |name: &str| place.fact(name);
    let (agent, found, seconds) = (fact("agent"), fact("found"), fact("windowSeconds"));
    let did = match fact("rule").as_str() {
        "refusals" => format!("had {found} requests refused"),
        "spend_rate" => format!("spent {found} dollars"),
        _ => format!("sent the same request {found} times"),
    };
    let (what, follows, purpose, command) = match fact("action").as_str() {
        "pause" => (
            "is paused",
            "It is paused until somebody resumes it; its calls were cut.",
            "To let it go on",
            "resume",
        ),
        _ => (
            "looks abused",
            "It goes on. It is not told again within an hour.",
            "To stop it",
            "pause",
        ),
    };
    Words {
        subject: format!("The agent {agent} {what}"),
        happened: format!(
            "The agent {agent} {} {did} within {seconds} seconds. {follows}",
            place.project()
        ),
        purpose,
        command: format!("agent {command} {}", place.waiting.subject),
    }
}

/// An agent asks for what it has not.
fn access(place: &Place<'_>) -> Words {
    let fact = |name: &str| place.fact(name);
    let (agent, provider, cents) = (fact("agent"), fact("provider"), fact("budgetCentsMonthly"));
    let mut wants = Vec::new();
    if !provider.is_empty() {
        wants.push(format!("the provider {provider}"));
    }
    if !cents.is_empty() {
        wants.push(format!("a budget of {cents} cents a month"));
    }
    if wants.is_empty() {
        wants.push("more models".to_owned());
    }
    Words {
        subject: format!("The agent {agent} asks for access"),
        happened: format!(
            "The agent {agent} {} asks for {}. It says, in its own words, which nobody has checked: \"{}\"",
            place.project(),
            wants.join(" and "),
            fact("reason").chars().take(LONGEST_REASON).collect::<String>()
        ),
        purpose: "To see all of it, and decide",
        command: format!("access show {}", place.waiting.subject),
    }
}

/// A pooled key is renewed, or is not.
fn rotation(place: &Place<'_>) -> Words {
    let (provider, id, problem) = (
        place.fact("provider"),
        &place.waiting.subject,
        place.fact("problem"),
    );
    let (subject, happened, purpose, command) = match place.waiting.kind.as_str() {
        "pool.key_rotated" => (
            format!("A pooled key of {provider} was renewed"),
            format!(
                "A new key of {provider} serves {}, and the old one is revoked.",
                place.org()
            ),
            "To see it",
            format!("pool rotation show {id}"),
        ),
        "pool.rotation_undone" => (
            format!("A pooled key of {provider} was not renewed"),
            format!(
                "The rotation of a key of {provider} in {} was undone; the old key serves on. {problem}",
                place.org()
            ),
            "To see it",
            format!("pool rotation show {id}"),
        ),
        _ if place.fact("for") == "key" => (
            format!("A rotation waits for a new key of {provider}"),
            format!(
                "A pooled key of {provider} in {} is to be renewed, and you make its keys.",
                place.org()
            ),
            "Make one at the vendor. To give it",
            format!("pool rotation give {id}"),
        ),
        _ => (
            format!("A rotation waits until an old key of {provider} is revoked"),
            format!(
                "A pooled key of {provider} in {} was replaced; nothing runs on the old one any more.",
                place.org()
            ),
            "Revoke it at the vendor. To say so",
            format!("pool rotation revoked {id}"),
        ),
    };
    Words {
        subject,
        happened,
        purpose,
        command,
    }
}

/// A reminder of a credential's end or rotation.
fn reminder(place: &Place<'_>, what: &str, then: &str) -> Words {
    let (key, at) = (place.key(), place.fact("dueAt"));
    Words {
        subject: format!("The key {key} {what} on {}", at.get(..10).unwrap_or_default()),
        happened: format!("The key {key} {} {what} at {at}. {then}", place.project()),
        purpose: "To put a new one in its place",
        command: place.about_key("rotate"),
    }
}

/// A word of a command, as a shell takes it whole.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}
