use proptest::prelude::*;

use super::*;
use crate::core::model::{OwnService, ServiceId};

fn list(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn set(names: &[&str]) -> BTreeSet<Arc<str>> {
    list(names).into_iter().collect()
}

fn network(name: &str, aliases: &[&str]) -> OwnNetwork {
    OwnNetwork {
        target: format!("id-of-{name}").into(),
        name: name.into(),
        aliases: list(aliases),
    }
}

fn service(aliases: &[&str]) -> OwnService {
    OwnService {
        id: ServiceId::from("s"),
        name: "hiveway_hiveway".into(),
        networks: vec![network("mesh", aliases)],
        update: UpdateState::Done,
        proven: true,
        start_first: true,
        host_port: false,
        ingress_port: false,
    }
}

fn wishes(service: OwnService, names: &[&str]) -> DesiredChanges {
    DesiredChanges {
        leading: true,
        replicas: BTreeMap::new(),
        aliases: Some(AliasRequest {
            service,
            networks: list(&["mesh", "edge"]),
            names: set(names),
        }),
    }
}

fn change(add: &[&str], remove: &[&str]) -> Decision {
    Decision::Write(AliasChange {
        targets: set(&["id-of-mesh"]),
        add: set(add),
        remove: set(remove),
    })
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn names_that_come_at_once_are_added_by_one_update() {
    let mut plan = AliasPlan::default();
    let names: Vec<String> = (10..60).map(|number| format!("n{number}.local")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut last = Duration::ZERO;
    for count in 1..=names.len() {
        last = millis(100 * count as u64);
        let decision = plan.decide(last, &wishes(service(&[]), &names[..count]));
        assert_eq!(decision, Decision::Wait(last + SETTLED));
    }
    let all = wishes(service(&["hiveway"]), &names);
    let just_before = last + SETTLED - millis(1);
    assert_eq!(
        plan.decide(just_before, &all),
        Decision::Wait(last + SETTLED)
    );
    assert_eq!(plan.decide(last + SETTLED, &all), change(&names, &[]));

    let written = wishes(service(&[&["hiveway"], &names[..]].concat()), &names);
    assert_eq!(plan.decide(last + seconds(3), &written), Decision::Nothing);
}

#[test]
fn names_that_never_settle_are_added_all_the_same() {
    let mut plan = AliasPlan::default();
    let flickering = |on| match on {
        true => wishes(service(&[]), &["a.local", "b.local"]),
        false => wishes(service(&[]), &["a.local"]),
    };
    for second in 100..115 {
        let decision = plan.decide(seconds(second), &flickering(second % 2 == 0));
        let due = seconds(second + 2).min(seconds(115));
        assert_eq!(decision, Decision::Wait(due), "{second}");
    }
    let decision = plan.decide(seconds(115), &flickering(false));
    assert_eq!(decision, change(&["a.local"], &[]));
}

#[test]
fn an_update_in_progress_is_waited_for() {
    let mut plan = AliasPlan::default();
    let mut busy = service(&[]);
    busy.update = UpdateState::Updating;
    let busy = wishes(busy, &["a.local"]);
    assert_eq!(plan.decide(seconds(1), &busy), Decision::Nothing);
    assert_eq!(plan.decide(seconds(99), &busy), Decision::Nothing);
    let done = wishes(service(&[]), &["a.local"]);
    assert_eq!(plan.decide(seconds(100), &done), change(&["a.local"], &[]));
}

#[test]
fn what_was_written_has_time_to_show() {
    let mut plan = AliasPlan::default();
    let wanted = wishes(service(&[]), &["a.local"]);
    plan.decide(seconds(1), &wanted);
    assert_eq!(plan.decide(seconds(3), &wanted), change(&["a.local"], &[]));
    plan.pause(seconds(5));
    assert_eq!(plan.decide(seconds(4), &wanted), Decision::Wait(seconds(5)));
    assert_eq!(plan.decide(seconds(5), &wanted), change(&["a.local"], &[]));
}

#[test]
fn removed_names_return_once_the_deploy_works_on_one_node() {
    use UpdateState::{Done, RolledBack, RollingBack, Updating};
    let names = ["a.local", "b.local"];
    let mut before = AliasPlan::default();
    before.decide(
        seconds(1),
        &wishes(service(&["hiveway", "a.local", "b.local"]), &names),
    );
    let at_once = change(&names, &[]);
    for (update, proven, expected) in [
        (Updating, false, Decision::Nothing),
        (Updating, true, at_once.clone()),
        (Done, true, at_once),
        (Done, false, Decision::Wait(seconds(52))),
        (RollingBack, true, Decision::Nothing),
        (RolledBack, true, Decision::Wait(seconds(52))),
    ] {
        let mut plan = before.clone();
        let mut own = service(&["hiveway"]);
        (own.update, own.proven) = (update, proven);
        let reset = wishes(own, &names);
        let decision = plan.decide(seconds(50), &reset);
        assert_eq!(decision, expected, "{update:?} {proven}");
    }
    // What was taken back is not brought back as something lost, however it ends.
    let mut own = service(&["hiveway"]);
    own.update = RollingBack;
    before.decide(seconds(2), &wishes(own.clone(), &names));
    own.update = RolledBack;
    let decision = before.decide(seconds(9), &wishes(own, &names));
    assert!(matches!(decision, Decision::Refuse(_)), "{decision:?}");
}

#[test]
fn unused_name_goes_at_the_next_addition_or_in_ten_minutes() {
    let aliases = ["hiveway", "old.local", "a.local"];
    let unwanted = wishes(service(&aliases), &["a.local"]);
    let mut plan = AliasPlan::default();
    let due = seconds(7) + LINGERING;
    assert_eq!(plan.decide(seconds(7), &unwanted), Decision::Wait(due));
    let mut alone = plan.clone();
    assert_eq!(alone.decide(due, &unwanted), change(&[], &["old.local"]));

    let mut again = plan.clone();
    let wanted = wishes(service(&aliases), &["a.local", "old.local"]);
    assert_eq!(again.decide(seconds(8), &wanted), Decision::Nothing);
    let decision = again.decide(seconds(9), &unwanted);
    assert_eq!(decision, Decision::Wait(seconds(9) + LINGERING));

    let another = wishes(service(&aliases), &["a.local", "b.local"]);
    plan.decide(seconds(20), &another);
    let decision = plan.decide(seconds(22), &another);
    assert_eq!(decision, change(&["b.local"], &["old.local"]));
}

#[test]
fn names_are_kept_on_every_network_that_is_shared_and_attached() {
    let mut own = service(&["a.local"]);
    own.networks.push(network("edge", &["hiveway"]));
    own.networks.push(network("private", &["mine.local"]));
    let mut plan = AliasPlan::default();
    let wanted = wishes(own, &["a.local"]);
    assert_eq!(plan.decide(seconds(1), &wanted), Decision::Wait(seconds(3)));
    let expected = AliasChange {
        targets: set(&["id-of-edge", "id-of-mesh"]),
        add: set(&["a.local"]),
        remove: set(&[]),
    };
    assert_eq!(plan.decide(seconds(3), &wanted), Decision::Write(expected));
}

#[test]
fn a_controller_that_does_not_lead_remembers_and_writes_nothing() {
    let mut plan = AliasPlan::default();
    let mut wanted = wishes(service(&["old.local"]), &["a.local"]);
    wanted.leading = false;
    assert_eq!(plan.decide(seconds(1), &wanted), Decision::Nothing);
    assert_eq!(plan.decide(seconds(60), &wanted), Decision::Nothing);
    wanted.leading = true;
    let decision = plan.decide(seconds(61), &wanted);
    assert_eq!(decision, change(&["a.local"], &["old.local"]));
    let unknown = DesiredChanges {
        leading: true,
        ..DesiredChanges::default()
    };
    assert_eq!(plan.decide(seconds(62), &unknown), Decision::Nothing);
}

#[test]
fn unsafe_update_is_reported_once_with_its_remedy() {
    let of = |change: fn(&mut OwnService)| {
        let mut own = service(&["old.local"]);
        change(&mut own);
        own
    };
    for (own, expected) in [
        (
            of(|own| own.start_first = false),
            "b.local would be added by replacing its tasks, and with its update order that refuses requests; set \
             `update_config.order: start-first`, or list the names under `aliases` in its stack file and set \
             HIVEWAY_ALIASES=off",
        ),
        (
            of(|own| own.host_port = true),
            "b.local would be added by replacing its tasks, start-first, and its host-mode port belongs to one task a \
             node; publish the port by a service of its own, or list the names under `aliases` in its stack file and set \
             HIVEWAY_ALIASES=off",
        ),
        (
            of(|own| own.networks[0] = network("other", &[])),
            "b.local cannot be added, since it is not attached to mesh or edge; attach it, or name its network with \
             --network",
        ),
        (
            of(|own| own.update = UpdateState::RolledBack),
            "b.local would be added, but Swarm rolled its last update back, and would do so again; `docker service ps \
             --no-trunc hiveway_hiveway` shows why. The next name, or a successful update of the service, is another try",
        ),
    ] {
        let mut plan = AliasPlan::default();
        let nothing = wishes(own.clone(), &[]);
        let removal = plan.decide(LINGERING, &nothing);
        let told = plan.decide(LINGERING * 2, &nothing);
        assert!(!matches!(removal, Decision::Refuse(_)), "{removal:?}");
        assert_eq!(told, Decision::Nothing, "that a name lingers is not told");

        let mut plan = AliasPlan::default();
        let wanted = wishes(own.clone(), &["b.local"]);
        assert_eq!(plan.decide(seconds(1), &wanted), Decision::Wait(seconds(3)));
        let refused = Decision::Refuse(expected.into());
        assert_eq!(plan.decide(seconds(3), &wanted), refused);
        assert_eq!(plan.decide(seconds(99), &wanted), Decision::Nothing);
    }
}

#[test]
fn another_name_is_told_of_too_and_so_is_the_same_one_again() {
    let mut plan = AliasPlan::default();
    let mut is_told = |second: u64, aliases: &[&str], names: &[&str]| {
        let mut own = service(aliases);
        own.host_port = true;
        let wishes = wishes(own, names);
        let decisions = [0, 5].map(|after| plan.decide(seconds(second + after), &wishes));
        decisions.iter().any(|it| matches!(it, Decision::Refuse(_)))
    };
    assert!(!is_told(10, &[], &[]));
    assert!(is_told(20, &[], &["a.local"]));
    assert!(!is_told(30, &[], &["a.local"]));
    assert!(is_told(40, &[], &["a.local", "b.local"]));
    assert!(!is_told(50, &[], &["b.local"]));
    assert!(!is_told(60, &["b.local"], &["b.local"]), "written by hand");
    assert!(is_told(70, &[], &["b.local"]));
}

#[test]
fn rolled_back_names_are_retried_only_with_another_name() {
    let mut plan = AliasPlan::default();
    let with = |update, names: &[&str]| {
        let mut own = service(&[]);
        own.update = update;
        wishes(own, names)
    };
    let rolled_back = |names: &[&str]| with(UpdateState::RolledBack, names);
    plan.decide(seconds(1), &with(UpdateState::Done, &["a.local"]));
    let decision = plan.decide(seconds(3), &with(UpdateState::Done, &["a.local"]));
    assert_eq!(decision, change(&["a.local"], &[]));
    plan.decide(seconds(5), &with(UpdateState::Updating, &["a.local"]));

    let decision = plan.decide(seconds(9), &rolled_back(&["a.local"]));
    assert!(matches!(decision, Decision::Refuse(_)), "{decision:?}");
    plan.decide(seconds(10), &rolled_back(&[]));
    plan.decide(seconds(11), &rolled_back(&["a.local"]));
    // A restarted process knows no more than that there was one, and is as careful.
    let mut restarted = AliasPlan::default();
    restarted.decide(seconds(11), &rolled_back(&["a.local"]));
    for plan in [&mut plan, &mut restarted] {
        let decision = plan.decide(seconds(13), &rolled_back(&["a.local"]));
        assert!(!matches!(decision, Decision::Write(_)), "{decision:?}");
        plan.decide(seconds(20), &rolled_back(&["a.local", "b.local"]));
        let decision = plan.decide(seconds(22), &rolled_back(&["a.local", "b.local"]));
        assert_eq!(decision, change(&["a.local", "b.local"], &[]));
    }
    let mended = with(UpdateState::Done, &["a.local"]);
    plan.decide(seconds(30), &mended);
    assert_eq!(plan.decide(seconds(32), &mended), change(&["a.local"], &[]));
}

proptest! {
    /// Whatever names come and go, and whenever: foreign aliases stay, in their order, writes keep their distance, and what
    /// is wanted in the end resolves.
    #[test]
    fn the_aliases_become_what_the_routes_want(
        steps in proptest::collection::vec((0_u64..5_000, 0_u8..16), 1..40),
        before in proptest::collection::vec("[a-e](\\.local)?", 0..5),
    ) {
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        let foreign = |aliases: &[Arc<str>]| -> Vec<Arc<str>> {
            aliases.iter().filter(|name| !is_local(name)).cloned().collect()
        };
        let mut own = service(&before);
        let mut plan = AliasPlan::default();
        let (mut now, mut last_write) = (Duration::ZERO, None);
        let last = steps.last().expect("one step at least").1;
        let settling = [(0, last), (2_000, last), (13_000, last)];
        for (pause, bits) in steps.iter().copied().chain(settling) {
            now += millis(pause);
            let names = ["a.local", "b.local", "c.local", "d.local"];
            let wanted: Vec<&str> = (0..4).filter(|bit| bits >> bit & 1 == 1).map(|bit| names[bit]).collect();
            if let Decision::Write(change) = plan.decide(now, &wishes(own.clone(), &wanted)) {
                prop_assert!(last_write.is_none_or(|last| now >= last + SETTLED));
                last_write = Some(now);
                plan.pause(now + SETTLED);
                own.networks[0].aliases = change.apply(&own.networks[0].aliases);
            }
            prop_assert_eq!(foreign(&own.networks[0].aliases), foreign(&list(&before)));
        }
        let wanted = ["a.local", "b.local", "c.local", "d.local"].into_iter().enumerate();
        for (bit, name) in wanted.filter(|(bit, _)| last >> bit & 1 == 1) {
            prop_assert!(own.networks[0].aliases.contains(&name.into()), "{} {}", bit, name);
        }
    }
}
