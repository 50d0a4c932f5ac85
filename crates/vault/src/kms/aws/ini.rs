//! The files `~/.aws/credentials` and `~/.aws/config`: sections of `name = value`.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

/// What one section says.
pub(super) type Section = BTreeMap<String, Zeroizing<String>>;

/// The section of a profile: `[name]`, or `[profile name]` as the config file writes all but the default one. Nested values, which
/// are indented, are not read.
pub(super) fn profile(text: &str, name: &str) -> Option<Section> {
    let mut found: Option<Section> = None;
    let mut inside = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(title) = trimmed.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let title = title.trim();
            inside = title.strip_prefix("profile ").map_or(title, str::trim) == name;
            if inside {
                found.get_or_insert_default();
            }
            continue;
        }
        let is_nested = line.starts_with([' ', '\t']);
        if !inside || is_nested || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let (Some((key, value)), Some(section)) = (trimmed.split_once('='), found.as_mut()) {
            let value = value.split(" #").next().unwrap_or_default().trim();
            section.insert(key.trim().to_lowercase(), Zeroizing::new(value.to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::profile;

    #[test]
    fn a_profile_is_found_in_both_forms() {
        let text = "# mine\n[default]\naws_access_key_id = A\n\n[profile ci]\nrole_arn=arn:x # role\ns3 =\n  region = no\n\
            Source_Profile = default\n[ other ]\nrole_arn = no\n";
        let ci = profile(text, "ci").unwrap();
        assert_eq!(ci["role_arn"].as_str(), "arn:x");
        assert_eq!(ci["source_profile"].as_str(), "default");
        assert!(!ci.contains_key("region"));
        assert_eq!(
            profile(text, "default").unwrap()["aws_access_key_id"].as_str(),
            "A"
        );
        assert!(profile(text, "none").is_none());
    }
}
