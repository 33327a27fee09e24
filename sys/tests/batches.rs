//! Batches over loopback: what is sent, what is refused, and that one does not cost the other.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use stunner_sys::{BATCH, Family, Full, HEADROOM, ReceiveArena, SendQueue, SendStats, Target, set_gro};

fn socket() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

fn target(socket: u32, destination: SocketAddr) -> Target {
    Target { socket, family: Family::V4, destination, source: None, traffic_class: 0 }
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let len = socket.recv(&mut buffer).unwrap();
    buffer[..len].to_vec()
}

#[test]
fn different_destinations_leave_with_one_call() {
    let ((from, _), (a, to_a), (b, to_b)) = (socket(), socket(), socket());
    let mut queue = SendQueue::default();
    let mut sends = queue.start();
    for number in 0..20u8 {
        sends
            .push(&target(0, if number % 2 == 0 { to_a } else { to_b }), &[], &NUMBERS[usize::from(number)..][..1], 0)
            .unwrap();
    }
    sends.flush(false, |_| Some(from.as_fd()));
    assert!(sends.is_empty());
    for number in 0..10 {
        assert_eq!((receive(&a), receive(&b)), (vec![2 * number], vec![2 * number + 1]));
    }
    assert_eq!(queue.stats(), SendStats { sent: 20, calls: 1, ..SendStats::default() });
}

static NUMBERS: [u8; 32] = {
    let mut numbers = [0; 32];
    let mut at = 0;
    while at < 32 {
        numbers[at] = at as u8;
        at += 1;
    }
    numbers
};

#[test]
fn one_that_is_refused_does_not_stop_the_others() {
    let ((from, _), (to, address)) = (socket(), socket());
    let nowhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
    for retry in [false, true] {
        let mut queue = SendQueue::default();
        let mut sends = queue.start();
        for destination in [nowhere, address, nowhere, nowhere, address, nowhere] {
            sends.push(&target(0, destination), &[], b"x", 0).unwrap();
        }
        sends.flush(retry, |_| Some(from.as_fd()));
        assert_eq!((receive(&to), receive(&to)), (b"x".to_vec(), b"x".to_vec()));
        // The two in the middle are a run, which is tried as one and then one by one.
        let stats = queue.stats();
        assert_eq!((stats.sent, stats.refused, stats.split_runs), (2, 4, 1));
    }
}

#[test]
fn each_socket_sends_what_is_its_own_and_an_unknown_one_is_counted() {
    let ((a, from_a), (b, from_b), (to, address)) = (socket(), socket(), socket());
    let mut queue = SendQueue::default();
    let mut sends = queue.start();
    for number in [1, 2, 9, 1, 2, 9] {
        sends.push(&target(number, address), b"from ", b"socket", 0).unwrap();
    }
    assert_eq!(sends.last_socket(), Some(9));
    sends.flush(false, |number| -> Option<BorrowedFd<'_>> {
        match number {
            1 => Some(a.as_fd()),
            2 => Some(b.as_fd()),
            _ => None,
        }
    });
    let mut buffer = [0; 64];
    let sources: Vec<_> = (0..4).map(|_| to.recv_from(&mut buffer).unwrap()).collect();
    assert_eq!(sources, [(11, from_a), (11, from_a), (11, from_b), (11, from_b)]);
    assert_eq!(queue.stats(), SendStats { sent: 4, refused: 2, calls: 2, ..SendStats::default() });
}

#[test]
fn a_full_queue_says_so_and_goes_on_after_a_flush() {
    let ((from, _), (to, address)) = (socket(), socket());
    let mut queue = SendQueue::default();
    queue.set_segmentation(false);
    let mut sends = queue.start();
    let mut pushed = 0;
    while sends.push(&target(0, address), b"h", b"p", 1).is_ok() {
        pushed += 1;
    }
    assert_eq!(sends.push(&target(0, address), &[], b"p", 0), Err(Full));
    sends.flush(false, |_| Some(from.as_fd()));
    sends.push(&target(0, address), b"h", b"p", 1).unwrap();
    sends.flush(false, |_| Some(from.as_fd()));
    for _ in 0..=pushed {
        assert_eq!(receive(&to), b"hp\0");
    }
    assert_eq!(queue.stats().sent, pushed + 1);
}

#[test]
fn what_was_not_flushed_is_forgotten() {
    let (from, address) = socket();
    let mut queue = SendQueue::default();
    queue.start().push(&target(0, address), b"h", b"p", 0).unwrap();
    let mut sends = queue.start();
    assert!(sends.is_empty());
    sends.flush(false, |_| Some(from.as_fd()));
    assert_eq!(queue.stats(), SendStats::default());
}

#[test]
fn only_equal_targets_and_sizes_join_a_run() {
    let ((from, _), (to, address)) = (socket(), socket());
    let mut queue = SendQueue::default();
    let sizes = [100, 100, 60, 100, 100, 100, 101, 0, 0, 7];
    let bytes = [7u8; 128];
    let mut sends = queue.start();
    for size in sizes {
        sends.push(&target(0, address), &[], &bytes[..size], 0).unwrap();
    }
    sends.push(&Target { traffic_class: 2, ..target(0, address) }, &[], &bytes[..7], 0).unwrap();
    sends.flush(false, |_| Some(from.as_fd()));
    let got: Vec<_> = (0..=sizes.len()).map(|_| receive(&to).len()).collect();
    assert_eq!(got, [100, 100, 60, 100, 100, 100, 101, 0, 0, 7, 7]);
    assert_eq!((queue.stats().sent, queue.stats().calls), (11, 1));
}

#[test]
fn a_run_that_gro_joins_is_cut_at_the_same_places() {
    let ((from, source), (to, address)) = (socket(), socket());
    set_gro(to.as_fd()).unwrap();
    let mut queue = SendQueue::default();
    let mut sends = queue.start();
    for number in 0..9 {
        sends
            .push(&target(0, address), &NUMBERS[number..=number], &NUMBERS[..if number == 8 { 3 } else { 20 }], 0)
            .unwrap();
    }
    sends.flush(false, |_| Some(from.as_fd()));
    let mut arena = ReceiveArena::default();
    let mut filling = arena.fill();
    let mut received = filling.receive(to.as_fd(), BATCH).unwrap();
    assert_eq!((received.len(), filling.room()), (1, BATCH - 1));
    let datagram = received.next().unwrap();
    assert_eq!((datagram.source, datagram.truncated), (Some(source), false));
    for (number, segment) in datagram.segments().enumerate() {
        assert_eq!(segment.payload()[0], number as u8);
        let len = if number == 8 { 4 } else { 21 };
        assert_eq!(segment.payload().len(), len);
        // In front of the first only, and there up to the whole headroom.
        let header = [0xee; HEADROOM];
        match segment.prepend(&header) {
            Ok(whole) => assert_eq!((number, whole.len()), (0, HEADROOM + len)),
            Err(payload) => assert!(number > 0 && payload.len() == len),
        }
    }
}

#[test]
fn an_arena_is_filled_from_several_sockets_until_it_is_full() {
    let (from, _) = socket();
    let sockets: Vec<_> = (0..3).map(|_| socket()).collect();
    for (_, address) in &sockets {
        for number in 0..10u8 {
            from.send_to(&[number], address).unwrap();
        }
    }
    let mut arena = ReceiveArena::default();
    let mut filling = arena.fill();
    let counts: Vec<_> = sockets.iter().map(|(socket, _)| filling.receive(socket.as_fd(), 9).unwrap().len()).collect();
    assert_eq!(counts, [9, BATCH - 9, 0]);
    let rest = arena.fill().receive(sockets[2].0.as_fd(), BATCH).unwrap();
    assert_eq!(rest.map(|datagram| datagram.payload()[0]).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
}
