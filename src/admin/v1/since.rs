//! Since when what `/v1/status` tells has been so.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use crate::admin::AdminState;
use crate::core::model::Timestamp;
use crate::core::model::route::{Diagnostic, Level};
use crate::core::model::snapshot::Generation;
use crate::core::reconcile::status::{self, Truth};
use crate::process::clock;

use super::status::exposure;

type Diagnostics = watch::Receiver<Arc<BTreeSet<Diagnostic>>>;

/// Each thing with the time since when it has been so; none where it is not known yet.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::admin) struct Since {
    /// The snapshot that this process steers by.
    pub(super) snapshot: Option<(Generation, Timestamp)>,
    /// Whether every service can be served.
    pub(super) available: Option<(bool, Timestamp)>,
    /// Whether public hosts can be reached.
    pub(super) exposed: Option<(bool, Timestamp)>,
    /// Whether no label is wrong or without full effect.
    pub(super) understood: Option<(bool, Timestamp)>,
}

/// Notes it, whenever it changes. Never returns.
pub(in crate::admin) async fn note(admin: AdminState, since: watch::Sender<Since>) {
    let mut snapshots = admin.snapshots;
    let instance = admin.instance;
    let diagnostics = instance.controller.as_ref();
    let mut diagnostics = diagnostics.map(|it| it.diagnostics.clone());
    snapshots.mark_changed();
    if let Some(diagnostics) = &mut diagnostics {
        diagnostics.mark_changed();
    }
    loop {
        tokio::select! {
            Ok(()) = snapshots.changed() => {
                let snapshot = snapshots.borrow_and_update().clone();
                let (generation, available) = match snapshot.as_deref() {
                    Some(it) => (Some(it.generation), Some(status::serves_all(it))),
                    None => (None, None),
                };
                let exposed = snapshot.as_deref().and_then(|it| exposure(&instance, it));
                let exposed = exposed.map(|it| it.status == Truth::True);
                since.send_modify(|since| {
                    renew(&mut since.snapshot, generation);
                    renew(&mut since.available, available);
                    renew(&mut since.exposed, exposed);
                });
            }
            Some(understood) = understanding(diagnostics.as_mut()) => {
                since.send_modify(|since| renew(&mut since.understood, Some(understood)));
            }
            else => std::future::pending().await,
        }
    }
}

/// Whether labels are understood, as soon as that may have changed; none where nobody knows, or ever will again.
async fn understanding(diagnostics: Option<&mut Diagnostics>) -> Option<bool> {
    let diagnostics = diagnostics?;
    diagnostics.changed().await.ok()?;
    let all = diagnostics.borrow_and_update();
    Some(all.iter().all(|it| it.level == Level::Notice))
}

fn renew<T: PartialEq>(noted: &mut Option<(T, Timestamp)>, now: Option<T>) {
    let same = match (&*noted, &now) {
        (Some((before, _)), Some(now)) => before == now,
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    if !same {
        *noted = now.map(|it| (it, clock::now()));
    }
}
