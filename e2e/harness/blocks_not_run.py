"""Commands of the documentation that no test runs, and why."""

BUILDS = "builds the product"
CLIENTS = "fetches packages; its package is built and installed by test_sdk_python.py and test_sdk_typescript.py"
VENDOR_API = "needs the vendor's API for keys: crates/server/tests/it/rotations"
PAYMENTS = "needs a payment provider: test_payments.py"
BOOKS = "needs a call that a crash cut, a payment under way or a posting to undo: test_billing.py, crates/server/tests/it/billing"
IMPORT = "asks the vendors themselves whether keys work: test_import.py"
FACTOR = "needs an app for one-time codes: e2e/dashboard/sign-in.test.mjs, crates/server/tests/it/api/factors.rs"
KMS = "needs a KMS: test_kms.py, crates/server/tests/it/keks"

# By page: what begins so is not run, for this reason.
NOT_RUN = {
    "README.md": {"make": BUILDS},
    "docs/api.md": {"curl http://127.0.0.1:8401/v1/auth/signup": "as in docs/operations.md, which runs", "ks login --email": "the same"},
    "docs/billing.md": {
        "ks billing top-up": PAYMENTS,
        "ks billing auto-top-up": PAYMENTS,
        "ks billing invoice KS": BOOKS,
        "ks credit rule": BOOKS,
        "ks credit settle": BOOKS,
        "ks credit refund": BOOKS,
        "ks credit payment org": BOOKS,
    },
    "docs/configuration.md": {"KS_STORE__URL": "the same on PostgreSQL: test_serve.py"},
    "docs/cli.md": {
        "ks import": IMPORT,
        "ks kek shred": "leaves nothing for the rest of the page: as in docs/kms.md, which runs",
        "ks kek import finish": "as in docs/kms.md, which runs",
        "ks kek customer-key aws": KMS,
        "ks factor add": FACTOR,
        "ks factor confirm": FACTOR,
        "ks factor recovery-codes": FACTOR,
        "ks factor remove": FACTOR,
        "ks db reset-factors": FACTOR,
        "ks org update --require-second-factor": "as in docs/sign-in.md, which runs",
        "ks billing top-up": PAYMENTS,
        "ks billing auto-top-up": PAYMENTS,
        "ks billing invoice KS": BOOKS,
        "ks credit payment org": BOOKS,
        "ks credit pay-back": BOOKS,
        "ks credit rule": BOOKS,
        "ks credit undo": BOOKS,
        "ks credit settle": BOOKS,
        "ks pool plan": VENDOR_API,
        "ks pool rotate": VENDOR_API,
        "ks pool rotation ": VENDOR_API,
        "source <(ks completions zsh)": "of another shell",
        "ks completions fish": "of another shell",
        "man ks-": "where `man` looks is the machine's matter",
        "ks webhook deliveries": "as in docs/webhooks.md, which runs",
    },
    "docs/dashboard.md": {"cd ui": BUILDS},
    "docs/import.md": {"ks import": IMPORT, "curl": "needs a LiteLLM"},
    "docs/kms.md": {"vault": "needs a Vault", "ks kek customer-key": KMS, "sudo": BUILDS, "cargo": BUILDS, "ks --version": BUILDS},
    "docs/marketplace.md": {"ks pool plan": VENDOR_API, "ks pool rotate": VENDOR_API, "ks pool rotation ": VENDOR_API},
    "docs/mcp.md": {"claude": "needs Claude Code, which make test does without"},
    "docs/recipes.md": {"": "test_recipes.py"},
    "docs/sdk-python.md": {"pip": CLIENTS},
    "docs/sdk-typescript.md": {"cd sdk": CLIENTS, "npm": CLIENTS},
    "docs/sign-in.md": {"ks factor add": FACTOR, "ks factor recovery-codes": FACTOR, "ks factor remove": FACTOR, "ks db reset-factors": FACTOR},
    "sdk/python/README.md": {"pip": CLIENTS},
}
