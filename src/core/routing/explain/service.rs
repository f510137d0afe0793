//! Which services share a route, and how.

use super::{Known, RotationRank, ServiceView, place};
use crate::core::model::route::Scheme;
use crate::core::model::snapshot::{Claim, Cluster, Snapshot};

/// The services that claim a route, each with its share of the requests of this kind.
pub(super) fn views(
    claims: &[Claim],
    snapshot: &Snapshot,
    secure: bool,
    known: &Known,
) -> Vec<ServiceView> {
    let mut views: Vec<ServiceView> = claims
        .iter()
        .filter_map(|claim| {
            let cluster = snapshot.clusters.get(&claim.service)?;
            Some(view(claim, cluster, secure, known))
        })
        .collect();
    let weigh =
        |view: &ServiceView| match view.claims && view.at(RotationRank::First).next().is_some() {
            true => u32::from(view.weight),
            false => 0,
        };
    let total: u32 = views.iter().map(weigh).sum();
    for view in &mut views {
        let weight = weigh(view);
        let share = (weight * 100 + total / 2).checked_div(total).unwrap_or(0);
        // The smallest share is a share.
        let share = share.max(u32::from(weight > 0));
        view.share_percent = u8::try_from(share).unwrap_or(100);
    }
    views
}

fn view(claim: &Claim, cluster: &Cluster, secure: bool, known: &Known) -> ServiceView {
    ServiceView {
        service: cluster.service.clone(),
        id: claim.service.clone(),
        port: claim.port,
        scheme: claim.scheme,
        claims: match secure {
            true => claim.scheme != Scheme::Http,
            false => claim.scheme != Scheme::Https,
        },
        weight: cluster.policy.weight,
        share_percent: 0,
        sticky: cluster.policy.sticky,
        retries: cluster.policy.retries,
        probes_disbelieved: cluster.probes_disbelieved,
        endpoints: place::views(claim, cluster, known),
    }
}
