//! Time passes: what is over by then, and that nothing is left in the end.

use stun_codec::Method;
use turn_core::Instant;

use super::{
    model::{Connection, State},
    world::World,
};
use crate::input::Input;

impl World {
    /// Lets time pass, with timers or, for a moment, without.
    pub(super) fn wait(&mut self, input: &mut Input<'_>) -> bool {
        let seconds = [0, 1, 5, 9, 10, 30, 60, 240, 299, 300, 301, 600, 900, 3_600];
        self.now += input.pick(&seconds);
        let on_time = input.u8() < 200;
        if on_time {
            self.run_timers();
        }
        on_time
    }

    pub(super) fn run_timers(&mut self) {
        for worker in 0..2 {
            self.expire(worker);
            let now = self.clock();
            // No timer may ask to be called again for what it just did.
            for round in 0.. {
                assert!(round < 4, "a timer spins");
                self.servers[worker].handle_timeout(&self.policy, now);
                self.drain(worker);
                if self.servers[worker].poll_timeout().is_none_or(|at| at > now.mono) {
                    break;
                }
            }
            assert!(self.servers[worker].poll_timeout() != Some(Instant::NEVER));
        }
        self.check_bindings();
    }

    /// The same in the model.
    fn expire(&mut self, worker: usize) {
        let now = self.now;
        if self.noticed[worker] {
            // Nobody is told of a connection that the policy forbids before it was made.
            let policy = &self.policy;
            self.connections.retain(|one| one.worker != worker || policy.stream(one.peer).is_some());
        }
        self.reservations.retain(|kept| kept.worker != worker || now < kept.expires);
        let over = |connection: &Connection| match connection.state {
            State::Connecting(until) | State::Waiting(until) => connection.worker == worker && until <= now,
            State::Paired { .. } => false,
        };
        for connection in self.connections.iter().filter(|connection| over(connection)) {
            if let State::Connecting(_) = connection.state {
                self.expected.push((self.client(connection.client), Method::Connect, 447));
            }
        }
        self.connections.retain(|connection| !over(connection));
        let theirs: Vec<usize> = self.allocations.keys().copied().filter(|client| client % 2 == worker).collect();
        for client in theirs {
            let id = self.client(client);
            let allocation = self.allocations.get_mut(&client).expect("a key");
            if self.noticed[worker] {
                allocation.revisit(&self.policy);
            }
            if let Some(until) = allocation.opening {
                if until <= now {
                    self.end(client, "never lived");
                    self.expected.push((id, Method::Allocate, 508));
                }
                continue;
            }
            for family in 0..2 {
                if allocation.relays[family].is_some_and(|relay| relay.expires <= now) {
                    allocation.give_up(family);
                }
            }
            if allocation.relays == [None; 2] {
                self.end(client, "expired");
            }
        }
        self.noticed[worker] = false;
    }

    /// Does all that was left undone, and waits until everything is over.
    pub(super) fn finish(&mut self) {
        while let Some(open) = self.opens.pop() {
            self.open_succeeded(&open);
            self.settle();
        }
        while let Some(posted) = self.posted.pop() {
            self.deliver_one(posted);
            self.settle();
        }
        while let Some((worker, id)) = self.connects.pop() {
            self.answer_one_connect(worker, id, true);
            self.settle();
        }
        for _ in 0..3 {
            self.now += 3_600;
            self.run_timers();
            self.settle();
        }
        self.check_empty();
    }
}
