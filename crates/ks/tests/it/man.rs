//! The pages that `ks man` writes.

use crate::home::Home;

#[test]
fn each_command_has_a_page() {
    let home = Home::new();
    let folder = home.data_dir().join("man1");
    home.ks(&["man", folder.to_str().unwrap()]).ok();
    for name in ["ks", "ks-agent", "ks-agent-create", "ks-kek-rotate"] {
        let page = std::fs::read_to_string(folder.join(format!("{name}.1"))).unwrap();
        assert!(
            page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"),
            "{name}"
        );
    }
}
