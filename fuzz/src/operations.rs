//! Target `operations`: any sequence of calls to TURN servers, each call's outcome compared with a naive model's.

mod allocate;
mod model;
mod packets;
mod policy;
mod requests;
mod sockets;
mod time;
mod world;

use self::world::World;
use crate::input::Input;

/// Reads `data` as limits and a sequence of operations on two workers' servers, with six clients of two users between them.
///
/// # Panics
/// When a request gets another answer than RFC 8656 and the policy say; when a packet passes that may not, or does not pass that may;
/// when the server's indexes, sockets, quotas or effects disagree with the model; when anything is left once all is over.
pub fn operations(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(input.u8());
    let mut last = [const { None }; world::CLIENTS];
    let mut on_time = true;
    // More than this shows nothing new, and costs the fuzzer its speed.
    for _ in 0..200 {
        if input.is_empty() {
            break;
        }
        let operation = input.below(24);
        // Packets may come between the end of something and the timer for it; all else finds the timers run.
        if !on_time && operation > 6 {
            world.run_timers();
            world.settle();
        }
        on_time = on_time || operation > 6;
        match operation {
            0 | 1 => world.channel_data(&mut input),
            2 | 3 => world.send_indication(&mut input),
            4 | 5 => world.peer_sends(&mut input),
            6 => world.icmp(&mut input),
            7 => world.garbage(&mut input),
            8 => world.binding(&mut input),
            9 | 10 => world.allocate(&mut input, &mut last),
            11 | 12 => world.answer_open(&mut input),
            13 => world.refresh(&mut input),
            14 => world.create_permission(&mut input),
            15 => world.channel_bind(&mut input),
            16 => on_time = world.wait(&mut input),
            17 => world.reload(&mut input),
            18 => world.deliver(&mut input),
            19 => world.retransmit(&mut input, &mut last),
            20 => world.cut(&mut input),
            21 => world.connect(&mut input),
            22 => match input.below(3) {
                0 => world.answer_connect(&mut input),
                1 => world.accept(&mut input),
                _ => world.connection_ended(&mut input),
            },
            _ => world.connection_bind(&mut input),
        }
        world.settle();
    }
    if !on_time {
        world.run_timers();
        world.settle();
    }
    world.finish();
}

impl World {
    /// Another policy; the servers hear of it at once, or only see another version.
    fn reload(&mut self, input: &mut Input<'_>) {
        self.policy.rules = self.policy.rules.next(input);
        if input.below(4) > 0 {
            self.servers.iter_mut().for_each(turn_core::Server::policy_changed);
            self.noticed = [true; 2];
            if input.flag() {
                self.run_timers();
            }
        }
    }
}
