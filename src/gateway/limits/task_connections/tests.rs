use std::future::pending;

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::super::clients::Clients;
use super::*;

fn connections(most: usize) -> (Arc<TaskConnections>, Arc<TaskConnectionFigures>) {
    let division = Division {
        connections: 0,
        task_connections: most,
        idle_of_a_thread: 0,
        needed: None,
    };
    let figures = Arc::<TaskConnectionFigures>::default();
    let all = TaskConnections::new(
        &division,
        &Limits::default(),
        1_024,
        figures.clone(),
        &mut Alarms::default(),
    );
    (all, figures)
}

fn clients<const N: usize>(clients: &Arc<Clients>) -> [Arc<ClientShare>; N] {
    let mut last = 0;
    [(); N].map(|()| {
        last += 1;
        clients.of([10, 0, 0, last].into())
    })
}

fn open(figures: &TaskConnectionFigures) -> (usize, usize) {
    let read = |it: &std::sync::atomic::AtomicUsize| it.load(Ordering::Relaxed);
    (read(&figures.open), read(&figures.waiting))
}

#[tokio::test(start_paused = true)]
async fn one_client_leaves_half_and_the_rest_waits() {
    let (all, figures) = connections(100);
    let known = Clients::new(&[]);
    let [greedy, modest] = clients(&known);
    let mut held = Vec::new();
    while let Ok(permit) = all.try_take(&greedy) {
        held.push(permit);
    }
    assert_eq!(held.len(), 50);
    assert!(all.try_take(&modest).is_ok());

    // A second later it is refused, and is not in line any more.
    let asked = Instant::now();
    let refused = all.take(&greedy, pending()).await;
    assert_eq!(refused.expect_err("it is at its bound"), Full::Client);
    assert_eq!((asked.elapsed(), open(&figures)), (WAIT, (50, 0)));

    // What becomes free is its own again.
    let mut waits = Box::pin(all.take(&greedy, pending()));
    assert!(waits.as_mut().now_or_never().is_none());
    held.pop();
    assert!(waits.now_or_never().expect("it is given").is_ok());
    held.clear();
    assert_eq!(open(&figures), (0, 0));
    drop((greedy, modest));
    assert!(known.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_first_whose_client_may_have_it_is_given_what_is_free() {
    let (all, figures) = connections(4);
    let known = Clients::new(&["10.0.0.3/32".parse().expect("a network")]);
    let [greedy, modest, proxy] = clients(&known);
    let [first, second] = [(); 2].map(|()| all.try_take(&greedy).expect("room"));
    let others = [(); 2].map(|()| all.try_take(&proxy).expect("room"));
    assert_eq!(all.try_take(&proxy).expect_err("none is left"), Full::All);

    let mut greedy_waits = Box::pin(all.take(&greedy, pending()));
    let mut modest_waits = Box::pin(all.take(&modest, pending()));
    assert!(greedy_waits.as_mut().now_or_never().is_none());
    assert!(modest_waits.as_mut().now_or_never().is_none());
    drop(others);
    assert!(greedy_waits.as_mut().now_or_never().is_none());
    let given = modest_waits.now_or_never().expect("it is given");
    assert!(given.is_ok());
    drop(greedy_waits);
    drop((first, second, given));
    assert_eq!(open(&figures), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_or_finds_a_full_line_does_not_wait() {
    let (all, figures) = connections(1);
    let known = Clients::new(&[]);
    let [greedy, other] = clients(&known);
    let permit = all.try_take(&greedy).expect("room");
    let left = all.take(&greedy, std::future::ready(())).await;
    assert_eq!(left.expect_err("it left"), Full::All);

    let mut waiting: Vec<_> = (0..WAITING)
        .map(|_| Box::pin(all.take(&greedy, pending())))
        .collect();
    let mut refused = 0;
    for wait in &mut waiting {
        refused += usize::from(wait.as_mut().now_or_never().is_some());
    }
    assert_eq!((refused, open(&figures)), (WAITING / 2, (1, WAITING / 2)));
    let mut others = Box::pin(all.take(&other, pending()));
    assert!(others.as_mut().now_or_never().is_none(), "it has a place");
    drop((waiting, others));
    assert_eq!(open(&figures), (1, 0));
    drop(permit);
    assert_eq!(open(&figures), (0, 0));
}

#[test]
fn requests_that_share_a_connection_count_once() {
    let (all, figures) = connections(4);
    let known = Clients::new(&[]);
    let [client] = clients(&known);
    let take = |file: RawFd| {
        let mut permit = all.try_take(&client).expect("room");
        permit.shares(file);
        permit
    };
    let mut permits: Vec<_> = (0..100).map(|_| take(7)).collect();
    assert_eq!(open(&figures).0, 1);
    let other = take(9);
    assert_eq!(open(&figures).0, 2);

    // The first ends, and the connection goes on.
    permits.remove(0);
    assert_eq!(open(&figures).0, 2);
    let mut moved = permits.pop().expect("some are left");
    moved.begin_again().expect("room");
    assert_eq!(open(&figures).0, 3);
    permits.clear();
    assert_eq!(open(&figures).0, 2);
    drop((moved, other));
    assert_eq!(open(&figures).0, 0);

    // Without room for another connection, it counts for nothing.
    let mut last = take(7);
    let _own = [(); 2].map(|()| all.try_take(&client));
    let full: Vec<_> = std::iter::from_fn(|| all.try_take(&clients::<2>(&known)[1]).ok()).collect();
    let before = open(&figures).0;
    let second = all.shared.enter(7);
    assert_eq!(second, Some(false));
    assert!(last.begin_again().is_err());
    drop(last);
    assert_eq!(open(&figures).0, before);
    drop(full);
}
