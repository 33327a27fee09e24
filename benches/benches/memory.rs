//! Prints what an idle allocation holds of the server's heap: `cargo bench -p stunner-benches --bench memory`.

use allocation_counter::measure;
use stunner_benches::{Client, World};

/// Not a power of two: tables that grow by doubling have the spare room that they have on average.
const ALLOCATIONS: u32 = 12_000;

fn main() {
    let mut world = World::new(0);
    // What a client knows is not the server's: it is there before the counting starts.
    let mut clients: Vec<Client> = (0..ALLOCATIONS).map(|number| world.newcomer_at(number)).collect();
    let bare = measure(|| clients.iter_mut().for_each(|client| world.open(client)));
    let bound = measure(|| clients.iter().for_each(|client| world.bind(client)));
    let deleted = measure(|| clients.iter().for_each(|client| world.close(client)));
    let per_allocation = |bytes: i64| bytes / i64::from(ALLOCATIONS);
    println!("{ALLOCATIONS} idle allocations, bytes of heap each:");
    println!("  without permission or channel: {}", per_allocation(bare.bytes_current));
    println!("  with a permission and a channel: {}", per_allocation(bare.bytes_current + bound.bytes_current));
    println!("  of that given back when deleted: {}", per_allocation(-deleted.bytes_current));
}
