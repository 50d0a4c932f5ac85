//! What every run begins with: a database with an organization, its agents, and their budgets. Made once, copied for each run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::tz::TimeZone;
use keystore_core::budget::BudgetTerms;
use keystore_core::ids::{AgentId, BudgetId, CredentialId, DeploymentId, KekId, OrgId, ProjectId, TokenId};
use keystore_core::policy::{
    AgentPolicy, BudgetAction, BudgetMode, BudgetPolicy, Grant, ScopePolicy, Source, TokenPolicy, Unit,
};
use keystore_core::window::Window;
use keystore_core::{Clock, IdSource, Micros};
use keystore_store::{Options, Store, agents, budgets, credentials, keks, orgs, projects, scopes, tokens};
use keystore_testkit::clock::MockClock;
use keystore_testkit::ids::SeededIds;
use keystore_vault::intake::{DeclaredField, Given, intake};
use keystore_vault::{
    DeploymentKey, Kms, LocalKms, NewToken, RootKey, SealContext, TokenKind, Vault, WrappedKek, policy_sha256,
};
use tempfile::TempDir;

pub(super) const PROVIDER: &str = "openai";

const DATABASE: &str = "keystore.db";

/// An agent with its token and its budgets.
pub(super) struct Tenant {
    pub(super) token: TokenPolicy,
    /// The token as its client sends it.
    pub(super) text: String,
    pub(super) budgets: Vec<BudgetPolicy>,
}

/// What all runs of this process share.
pub(super) struct World {
    folder: TempDir,
    kms: Arc<dyn Kms>,
    deployment: DeploymentId,
    pub(super) key: DeploymentKey,
    pub(super) org: OrgId,
    pub(super) agents: Vec<Tenant>,
}

impl World {
    /// The world of this process.
    pub(super) fn get() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(|| super::runtime().block_on(Self::make()))
    }

    /// A folder with a fresh copy of the database, for one run.
    pub(super) fn copy(&self) -> TempDir {
        let folder = TempDir::new_in(self.folder.path()).unwrap();
        let [from, to] = [self.folder.path(), folder.path()].map(|folder| folder.join(DATABASE));
        std::fs::copy(from, to).unwrap();
        folder
    }

    /// A vault by this clock.
    pub(super) fn vault(&self, clock: Arc<dyn Clock>) -> Arc<Vault> {
        let ttl = Duration::from_secs(3_600);
        Arc::new(Vault::new(Arc::clone(&self.kms), self.deployment, ttl, clock))
    }

    async fn make() -> Self {
        // A memory file system, where there is one: a run opens the database anew after every crash.
        let memory = Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => TempDir::new_in(memory),
            false => TempDir::new(),
        };
        let folder = folder.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(MockClock::default());
        let ids: Arc<dyn IdSource> = Arc::new(SeededIds::new(0));
        let (store, _) = open(folder.path(), Arc::clone(&clock), Arc::clone(&ids)).await;
        let kms: Arc<dyn Kms> = Arc::new(LocalKms::new(&RootKey::generate().unwrap()).unwrap());
        let deployment = DeploymentId::new(ids.next());
        let key = DeploymentKey::generate().unwrap();
        let mut world = Self {
            folder,
            kms,
            deployment,
            key,
            org: OrgId::new(ids.next()),
            agents: Vec::new(),
        };
        let vault = world.vault(Arc::clone(&clock));
        world.fill(&store, &vault, ids.as_ref(), clock.now()).await;
        store.close().await;
        world
    }

    async fn fill(&mut self, store: &Store, vault: &Vault, ids: &dyn IdSource, now: Micros) {
        let (org, project) = (self.org, ProjectId::new(ids.next()));
        let mac = self.key.policy_mac().unwrap();
        let kek = vault.new_kek(org, KekId::new(ids.next()), 1, None).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let row = orgs::Org {
            id: org,
            slug: "simulated".to_owned(),
            name: "Simulated".to_owned(),
            time_zone: "UTC".to_owned(),
            previous_time_zone: None,
            time_zone_changed_at: None,
            event_mails: false,
            second_factor_required: false,
            created_at: now,
            updated_at: now,
        };
        orgs::insert(&mut tx, &row).await.unwrap();
        let row = keks::Kek {
            id: kek.id,
            org,
            generation: kek.generation,
            wrapped: kek.bytes.clone(),
            customer: None,
            wraps: 0,
            imported: false,
            verified_at: None,
            state: keks::KekState::Active,
            created_at: now,
        };
        keks::insert(&mut tx, &row).await.unwrap();
        let row = projects::Project {
            id: project,
            org,
            slug: "default".to_owned(),
            name: "Default".to_owned(),
            labels: Vec::new(),
            created_at: now,
            updated_at: now,
        };
        projects::insert(&mut tx, &row).await.unwrap();
        let (credential, version) = self.credential(vault, &kek, project, ids, now).await;
        credentials::insert(&mut tx, &credential, &version).await.unwrap();
        for project in [None, Some(project)] {
            let scope = ScopePolicy::open(org, project);
            let tag = mac.tag("scope", &scope.canonical());
            scopes::put(&mut tx, &scope, &tag, now).await.unwrap();
        }
        for (agent, budgets) in plan_of_budgets(org, project, ids) {
            self.agent(&mut tx, (agent, project, credential.id), budgets, ids, now)
                .await;
        }
        // Several agents share one of them.
        let all = self.agents.iter().flat_map(|agent| &agent.budgets);
        let all: BTreeMap<BudgetId, &BudgetPolicy> = all.map(|budget| (budget.budget, budget)).collect();
        for budget in all.into_values() {
            let tag = mac.tag("budget", &budget.canonical());
            budgets::insert(&mut tx, budget, &tag, now).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    async fn agent(
        &mut self,
        tx: &mut keystore_store::Tx,
        (agent, project, credential): (AgentId, ProjectId, CredentialId),
        budgets: Vec<BudgetPolicy>,
        ids: &dyn IdSource,
        now: Micros,
    ) {
        let mac = self.key.policy_mac().unwrap();
        let name = format!("agent-{}", self.agents.len());
        let policy = AgentPolicy {
            grants: vec![Grant::new(PROVIDER, Source::Byok, Some(credential))],
            rpm_limit: Some(1_000_000),
            rpd_limit: Some(1_000_000),
            budgets: budgets.iter().map(|budget| budget.budget).collect(),
            ..AgentPolicy::new(agent, self.org, project)
        };
        let tag = mac.tag("agent", &policy.canonical());
        let new = agents::NewAgent {
            name: &name,
            policy: &policy,
            mac: &tag,
            at: now,
        };
        agents::insert(tx, &new).await.unwrap();
        let value = NewToken::generate(TokenKind::Agent).unwrap();
        let token = TokenPolicy {
            token: TokenId::new(ids.next()),
            hash: value.hash().0,
            agent,
            expires_at: None,
            revoked: false,
        };
        let tag = mac.tag("token", &token.canonical());
        let new = tokens::NewToken {
            org: self.org,
            name: &name,
            policy: &token,
            mac: &tag,
            at: now,
        };
        assert!(tokens::insert(tx, &new).await.unwrap());
        let text = value.into_text().to_string();
        self.agents.push(Tenant { token, text, budgets });
    }

    async fn credential(
        &self,
        vault: &Vault,
        kek: &WrappedKek,
        project: ProjectId,
        ids: &dyn IdSource,
        now: Micros,
    ) -> (credentials::Credential, credentials::CredentialVersion) {
        let provider = keystore_catalog::provider(PROVIDER).unwrap();
        let policy = provider
            .destination_policy(&BTreeMap::new(), None, &|_| true)
            .unwrap()
            .canonical();
        let declared = [DeclaredField {
            name: "key",
            required: true,
        }];
        let text = "sk-simulated-0123456789abcdef01234567".to_owned();
        let secret = intake(Given::Text(text.into()), &declared).unwrap();
        let id = CredentialId::new(ids.next());
        let context = SealContext {
            deployment: self.deployment,
            org: self.org,
            credential: id,
            version: 1,
            provider: PROVIDER.to_owned(),
            source: Source::Byok,
            policy_sha256: policy_sha256(&policy),
        };
        let version = credentials::CredentialVersion {
            credential: id,
            version: 1,
            sealed: vault.seal(kek, &context, &secret).await.unwrap(),
            policy,
            kek: kek.id,
            kek_generation: kek.generation,
            created_at: now,
        };
        let credential = credentials::Credential {
            id,
            org: self.org,
            project,
            provider: PROVIDER.to_owned(),
            name: "default".to_owned(),
            source: Source::Byok,
            status: credentials::CredentialStatus::Untested,
            current_version: 1,
            params: BTreeMap::new(),
            base_url: None,
            labels: Vec::new(),
            agreements: serde_json::Value::Object(serde_json::Map::new()),
            expires_at: None,
            rotate_after: None,
            last_used_at: None,
            tested_at: None,
            created_at: now,
            updated_at: now,
        };
        (credential, version)
    }
}

/// Agents with their budgets: strict ones of several windows and units, alone and shared, and one that holds by estimate. Limits are
/// a few times what a call costs at most (see [`super::plan`]).
fn plan_of_budgets(org: OrgId, project: ProjectId, ids: &dyn IdSource) -> Vec<(AgentId, Vec<BudgetPolicy>)> {
    let agents = [(); 4].map(|()| AgentId::new(ids.next()));
    let budget = |agent: Option<AgentId>, limit, change: fn(&mut BudgetPolicy)| {
        let id = BudgetId::new(ids.next());
        let mut policy = BudgetPolicy {
            project: Some(project),
            agent,
            thresholds: vec![50, 100],
            ..BudgetPolicy::new(id, org, limit, Window::Total)
        };
        change(&mut policy);
        policy
    };
    let shared = budget(None, 8_000_000, |_| ());
    let own = |number: usize, limit, change| budget(Some(agents[number]), limit, change);
    vec![
        (agents[0], vec![own(0, 6_000_000, |_| ()), shared.clone()]),
        (
            agents[1],
            vec![
                shared,
                own(1, 4_000_000, |policy| policy.window = Window::Day),
                own(1, 6, |policy| policy.unit = Unit::Calls),
                own(1, 1_000_000, |policy| policy.action = BudgetAction::Alert),
            ],
        ),
        (
            agents[2],
            vec![own(2, 1_500_000, |policy| policy.mode = BudgetMode::Estimate)],
        ),
        (
            agents[3],
            vec![own(3, 3_000_000, |policy| policy.window = Window::Day)],
        ),
    ]
}

/// The terms of a budget, in the organization's time zone.
pub(super) fn terms(policy: &BudgetPolicy) -> BudgetTerms {
    BudgetTerms {
        policy: policy.clone(),
        zone: TimeZone::UTC.into(),
    }
}

/// Opens the database in this folder as a start does.
pub(super) async fn open(
    folder: &Path,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
) -> (Store, keystore_store::Recovery) {
    let url = format!("sqlite://{}", folder.join(DATABASE).display());
    let options = Options {
        spool_bytes: 1 << 14,
        // One answers after the other: a run is the same each time.
        readers: 1,
        ..Options::default()
    };
    Store::open(&url, options, clock, ids).await.unwrap()
}
