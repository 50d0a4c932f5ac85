//! How our types stand in columns: the one place that knows.
//!
//! Ids are UUID (`BLOB` in SQLite), times microseconds, money nano-dollars, lists and maps JSON text, states their names.
//! Our types live in `core`, which knows no SQL, so they cannot carry sqlx's own traits.

use std::collections::BTreeMap;

use keystore_core::ids::{
    AccessRequestId, AgentId, ApiKeyId, AttemptId, BudgetId, CredentialId, DeliveryId, DeploymentId, EventId,
    InvitationId, KekId, MoveId, OrgId, PasskeyId, PaymentId, ProjectId, ProviderId, RequestId, RotationId,
    SessionId, TokenId, TransactionId, UserId, WebhookId,
};
use keystore_core::policy::{AgentStatus, Source};
use keystore_core::token::TokenHash;
use keystore_core::{Micros, Month, NanoUsd};
use sqlx::{ColumnIndex, Database, Decode, Row, Type};
use uuid::Uuid;

/// A value that can be bound to a parameter.
pub(crate) trait Bind {
    /// What sqlx is given.
    type Raw;
    fn raw(&self) -> Self::Raw;
}

/// A value that can be read from a column.
pub(crate) trait Column: Bind + Sized {
    fn from_raw(raw: Self::Raw) -> Result<Self, String>;
}

/// The column `name` of `row`.
pub(crate) fn column<'r, R, T>(row: &'r R, name: &'static str) -> sqlx::Result<T>
where
    R: Row,
    T: Column,
    T::Raw: Decode<'r, R::Database> + Type<R::Database>,
    &'static str: ColumnIndex<R>,
    R::Database: Database,
{
    T::from_raw(row.try_get(name)?).map_err(|reason| sqlx::Error::ColumnDecode {
        index: name.to_owned(),
        source: reason.into(),
    })
}

impl<T: Bind + ?Sized> Bind for &T {
    type Raw = T::Raw;
    fn raw(&self) -> Self::Raw {
        (**self).raw()
    }
}

impl<T: Bind> Bind for Option<T> {
    type Raw = Option<T::Raw>;
    fn raw(&self) -> Self::Raw {
        self.as_ref().map(Bind::raw)
    }
}

impl<T: Column> Column for Option<T> {
    fn from_raw(raw: Self::Raw) -> Result<Self, String> {
        raw.map(T::from_raw).transpose()
    }
}

macro_rules! as_is {
    ($($type:ty),*) => {$(
        impl Bind for $type {
            type Raw = Self;
            fn raw(&self) -> Self {
                self.clone()
            }
        }
        impl Column for $type {
            fn from_raw(raw: Self) -> Result<Self, String> {
                Ok(raw)
            }
        }
    )*};
}

as_is!(i64, bool, String, Vec<u8>, Uuid);

impl Bind for str {
    type Raw = String;
    fn raw(&self) -> String {
        self.to_owned()
    }
}

impl Bind for [u8] {
    type Raw = Vec<u8>;
    fn raw(&self) -> Vec<u8> {
        self.to_vec()
    }
}

macro_rules! ids {
    ($($type:ty),*) => {$(
        impl Bind for $type {
            type Raw = Uuid;
            fn raw(&self) -> Uuid {
                self.uuid()
            }
        }
        impl Column for $type {
            fn from_raw(raw: Uuid) -> Result<Self, String> {
                Ok(Self::new(raw))
            }
        }
    )*};
}

ids!(
    AccessRequestId,
    AgentId,
    ApiKeyId,
    AttemptId,
    BudgetId,
    CredentialId,
    DeliveryId,
    DeploymentId,
    EventId,
    InvitationId,
    KekId,
    MoveId,
    OrgId,
    PaymentId,
    ProjectId,
    ProviderId,
    RequestId,
    RotationId,
    SessionId,
    PasskeyId,
    TokenId,
    TransactionId,
    UserId,
    WebhookId
);

macro_rules! newtypes {
    ($($type:ident),*) => {$(
        impl Bind for $type {
            type Raw = i64;
            fn raw(&self) -> i64 {
                self.0
            }
        }
        impl Column for $type {
            fn from_raw(raw: i64) -> Result<Self, String> {
                Ok(Self(raw))
            }
        }
    )*};
}

newtypes!(Micros, NanoUsd);

macro_rules! unsigned {
    ($($type:ty),*) => {$(
        impl Bind for $type {
            type Raw = i64;
            fn raw(&self) -> i64 {
                // Counts above 2⁶³ do not occur; stopping at the end keeps them large.
                i64::try_from(*self).unwrap_or(i64::MAX)
            }
        }
        impl Column for $type {
            fn from_raw(raw: i64) -> Result<Self, String> {
                Self::try_from(raw).map_err(|_| format!("{raw} is out of range"))
            }
        }
    )*};
}

unsigned!(u16, u32, u64);

impl Bind for Month {
    type Raw = i64;
    fn raw(&self) -> i64 {
        i64::from(self.number())
    }
}

impl Column for Month {
    fn from_raw(raw: i64) -> Result<Self, String> {
        let number = i32::try_from(raw).ok();
        number
            .and_then(Self::from_number)
            .ok_or_else(|| format!("{raw} is no month"))
    }
}

impl Bind for TokenHash {
    type Raw = Vec<u8>;
    fn raw(&self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl Column for TokenHash {
    fn from_raw(raw: Vec<u8>) -> Result<Self, String> {
        raw.try_into()
            .map(Self)
            .map_err(|_| "a hash has 32 bytes".to_owned())
    }
}

impl Bind for [u8; 32] {
    type Raw = Vec<u8>;
    fn raw(&self) -> Vec<u8> {
        self.to_vec()
    }
}

impl Column for [u8; 32] {
    fn from_raw(raw: Vec<u8>) -> Result<Self, String> {
        raw.try_into().map_err(|_| "expected 32 bytes".to_owned())
    }
}

macro_rules! json_text {
    ($($type:ty),*) => {$(
        impl Bind for $type {
            type Raw = String;
            fn raw(&self) -> String {
                serde_json::to_string(self).unwrap_or_default()
            }
        }
        impl Column for $type {
            fn from_raw(raw: String) -> Result<Self, String> {
                serde_json::from_str(&raw).map_err(|error| error.to_string())
            }
        }
    )*};
}

json_text!(Vec<String>, BTreeMap<String, String>, serde_json::Value);

/// Makes an enum of a closed set of names a column: `named!(Type { Variant = "name", … })`.
macro_rules! named {
    ($type:ty { $($variant:ident = $name:literal),* $(,)? }) => {
        impl $crate::column::Bind for $type {
            type Raw = String;
            fn raw(&self) -> String {
                match self {
                    $(Self::$variant => $name,)*
                }
                .to_owned()
            }
        }
        impl $crate::column::Column for $type {
            fn from_raw(raw: String) -> Result<Self, String> {
                match raw.as_str() {
                    $($name => Ok(Self::$variant),)*
                    _ => Err(format!("unknown name `{raw}`")),
                }
            }
        }
    };
}
pub(crate) use named;

named!(AgentStatus { Active = "active", Paused = "paused", Revoked = "revoked" });
named!(Source { Byok = "byok", Marketplace = "marketplace" });
named!(keystore_core::record::Ending {
    Complete = "complete",
    UpstreamError = "upstream_error",
    ClientGone = "client_gone",
    Deadline = "deadline",
    NotSent = "not_sent",
    Crash = "crash",
    Revoked = "revoked",
    OverBudget = "over_budget",
    FailedOver = "failed_over",
});
named!(keystore_core::ledger::Account {
    CustomerCredit = "customer_credit",
    Receivable = "receivable",
    Revenue = "revenue",
    ProviderPayable = "provider_payable",
    Cogs = "cogs",
    Promo = "promo",
    Refund = "refund",
    Rounding = "rounding",
    Suspense = "suspense",
    Cash = "cash",
    TaxPayable = "tax_payable",
});
named!(keystore_core::ledger::Kind {
    Usage = "usage",
    Crash = "crash",
    CrashRuling = "crash_ruling",
    TopUp = "top_up",
    PromoGrant = "promo_grant",
    PromoExpiry = "promo_expiry",
    Refund = "refund",
    PayBack = "pay_back",
    Invoice = "invoice",
    Payment = "payment",
    CostAdjustment = "cost_adjustment",
    Reversal = "reversal",
});
