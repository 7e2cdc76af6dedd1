//! A small close, staged as the other functions stage one, for the tests of publication and verification.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)] // each test binary uses its part

use apportion_core::close::{CloseFacts, FrozenFile, InputsManifest, InvoiceLine, Reconciliation, Run, Totals};
use apportion_core::ledger::{Component, InvoiceKey, LedgerKey, LedgerRow};
use apportion_core::money::Money;
use apportion_core::reconcile::ControlSource;
use apportion_output::{ledger_csv, ledger_parquet, sha256_hex};
use apportion_store::Store;
use statement_renderer::publish::{Context, Error, Event, Output, handle};
use statement_renderer::signer::{KeyFile, Signer};
use statement_renderer::statement_folder;
use std::collections::BTreeMap;
use std::path::Path;

pub const UNITS: [&str; 2] = ["CC-1010", "CC 1020/ü"];

pub fn row(unit: &str, cents: i128) -> LedgerRow {
    LedgerRow {
        key: LedgerKey {
            unit_id: unit.into(),
            component: Component::Direct,
            pool_id: Default::default(),
            rule_id: "tag.cost_center".into(),
            invoice: InvoiceKey {
                provider: "AWS".into(),
                issuer: "Amazon Web Services, Inc.".into(),
                billing_account_id: "100000000001".into(),
                invoice_id: "7".into(),
            },
            account_id: "100000000006".into(),
            ou_path: Default::default(),
            service: "AmazonEC2".into(),
            charge_type: "Usage".into(),
            commitment_id: Default::default(),
            currency: "USD".into(),
        },
        cash: Money::from_minor(cents, 2),
        effective: Money::from_minor(cents, 2),
        cents,
        driver_value: Default::default(),
        driver_total: Default::default(),
        driver_unit: Default::default(),
        share: "1.000000000000".into(),
    }
}

/// A run whose close is staged.
pub struct Staged {
    pub folder: tempfile::TempDir,
    pub run: Run,
    pub facts: CloseFacts,
}

impl Staged {
    pub async fn new(period: &str, close: &str) -> Staged {
        Staged::after(tempfile::tempdir().unwrap(), period, close, None).await
    }

    /// Stages a close in a folder that may hold earlier ones.
    pub async fn after(folder: tempfile::TempDir, period: &str, close: &str, previous: Option<(&str, &str)>) -> Staged {
        let run = Run {
            period: period.parse().unwrap(),
            staging: format!("staging/{period}/{close}-1/"),
            bill: String::new(),
            configuration: String::new(),
            template: None,
            organization: None,
            invoices: None,
            provisional: false,
            closes: String::new(),
            currency: "USD".to_owned(),
            attempt: 1,
        };
        let facts = CloseFacts {
            close: close.to_owned(),
            period: run.period,
            currency: "USD".to_owned(),
            provisional: false,
            output_version: apportion_core::OUTPUT_VERSION,
            previous_close: previous.map_or("none", |(_, close)| close).to_owned(),
            previous_period: previous.map(|(period, _)| period.parse().unwrap()),
            inputs_digest: inputs(&run).digest,
            rollup_digest: sha256_hex(b"rollup"),
            configuration_digest: sha256_hex(b"configuration"),
            organization_digest: sha256_hex(b"organization"),
            invoices_digest: sha256_hex(b"invoices"),
            sql_digest: sha256_hex(b"sql"),
            template_digest: sha256_hex(b"template"),
            invoices_file: None,
            own_template: false,
            organization: Default::default(),
            units: UNITS.map(str::to_owned).to_vec(),
        };
        let staged = Staged { folder, run, facts };
        staged.stage().await;
        staged.freeze().await;
        staged
    }

    pub async fn stage(&self) {
        let rows = [row(UNITS[0], 1234), row(UNITS[1], -34)];
        self.put("close.json", &serde_json::to_vec(&self.facts).unwrap()).await;
        self.put("inputs.json", &serde_json::to_vec(&inputs(&self.run)).unwrap()).await;
        self.put("close/ledger.csv", &ledger_csv(self.run.period, &rows).unwrap()).await;
        self.put("close/ledger.parquet", &ledger_parquet(self.run.period, &rows).unwrap()).await;
        self.put("close/pools.csv", b"period\n").await;
        self.put("close/reconciliation.json", &serde_json::to_vec(&report(&self.run, &self.facts)).unwrap()).await;
        for (unit, cents) in [(UNITS[0], 1234), (UNITS[1], -34)] {
            let folder = format!("close/{}", statement_folder(unit));
            self.put(&format!("{folder}/statement.csv"), format!("unit_id,cents\n{unit},{cents}\n").as_bytes()).await;
            self.put(&format!("{folder}/statement.pdf"), b"%PDF").await;
        }
    }

    /// Puts what the close was made from where its facts say; the bill too.
    pub async fn freeze(&self) {
        let facts = &self.facts;
        let put = async |key: String, text: &str| self.work().put_same(&key, text.as_bytes()).await.unwrap();
        put(format!("{}rules.toml", facts.configuration_prefix()), "configuration").await;
        put(format!("{}rollup.sql", facts.sql_prefix()), "sql").await;
        put(facts.organization_key(), "organization").await;
        for file in inputs(&self.run).files {
            put(format!("{}{}", facts.inputs_prefix(), file.path), "bill").await;
        }
    }

    pub async fn put(&self, name: &str, bytes: &[u8]) {
        self.work().put(&format!("{}{name}", self.run.staging), bytes).await.unwrap();
    }

    pub fn work(&self) -> Store {
        Store::directory(self.folder.path().join("out"))
    }

    pub fn out(&self) -> std::path::PathBuf {
        self.folder.path().join("out")
    }

    pub fn signer(&self) -> KeyFile {
        KeyFile::in_folder(&self.folder.path().join("keys"), &self.out()).unwrap()
    }

    pub async fn publish(&self) -> Result<Output, Error> {
        self.publish_to(self.work()).await
    }

    pub async fn publish_to(&self, closes: Store) -> Result<Output, Error> {
        let context = Context { work: self.work(), closes, signer: Some(Signer::KeyFile(self.signer())) };
        handle(&context, Event { run: self.run.clone() }).await
    }

    /// Every file below a prefix, but for scratch.
    pub fn files(&self, below: &str) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        collect(&self.out().join(below), &self.out(), &mut found);
        found
    }
}

pub fn collect(folder: &Path, root: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    let Ok(items) = std::fs::read_dir(folder) else { return };
    for item in items {
        let path = item.unwrap().path();
        if path.is_dir() {
            collect(&path, root, found);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.insert(name, std::fs::read(&path).unwrap());
        }
    }
}

pub fn inputs(run: &Run) -> InputsManifest {
    let file = FrozenFile {
        sha256: sha256_hex(b"bill"),
        size: 4,
        path: "bill/x.csv".to_owned(),
        format: "cur2".to_owned(),
        encoding: "csv".to_owned(),
        delivered_as: "bill.csv".to_owned(),
        version: "4-1".to_owned(),
    };
    let digest = sha256_hex(format!("{} {}\n", file.sha256, file.size).as_bytes());
    InputsManifest { period: run.period, digest, files: vec![file] }
}

pub fn report(run: &Run, facts: &CloseFacts) -> Reconciliation {
    let total = Money::from_minor(1200, 2);
    let line = InvoiceLine {
        details: None,
        provider: "AWS".to_owned(),
        issuer: "Amazon Web Services, Inc.".to_owned(),
        billing_account_id: "100000000001".to_owned(),
        invoice_id: "7".to_owned(),
        source: ControlSource::Bill,
        rows: 2,
        bill: total,
        invoice: total,
        difference: Money::ZERO,
        tolerance: Money::from_minor(100, 2),
        ledger_cents: 1200,
        tax: None,
        passed: true,
    };
    Reconciliation {
        period: run.period,
        close: facts.close.clone(),
        provisional: facts.provisional,
        currency: "USD".to_owned(),
        passed: true,
        invoices: vec![line],
        totals: Totals {
            bill_cash: total,
            bill_effective: total,
            ledger_cash: total,
            ledger_effective: total,
            ledger_cents: 1200,
            units: 2,
            ledger_rows: 2,
        },
        bridge: Vec::new(),
        violations: Vec::new(),
        unbilled: Vec::new(),
        other_family: BTreeMap::new(),
        notes: Vec::new(),
        statements: Vec::new(),
        ignored: Vec::new(),
        other_periods: BTreeMap::new(),
        other_currencies: BTreeMap::new(),
        lossy_rows: 0,
        rows: 2,
    }
}
