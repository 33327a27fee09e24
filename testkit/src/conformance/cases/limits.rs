//! Who owns an allocation, how many one may have, and what happens when there is no more.

use super::case;
use crate::conformance::{Case, Site, site};
use crate::ensure;
use crate::harness::wire::attr;
use crate::harness::{Check, Class, Client, Draft, drafts};
use std::net::SocketAddr;

pub(super) const CASES: &[Case] = &[
    case!(allocation_of_another_user_441, Rest, "RFC 8656 §5"),
    case!(allocation_survives_the_intruder, Rest, "RFC 8656 §5"),
    case!(allocation_of_the_same_user_with_another_stamp, Rest, "compatibility: ephemeral credentials"),
    case!(quota_486, Rest, "RFC 8656 §7.2"),
    case!(quota_486_retransmitted_is_486_again, Rest, "RFC 8656 §7.2"),
    case!(quota_is_each_users_own, Rest, "RFC 8656 §7.2"),
    case!(quota_is_given_back, Rest, "RFC 8656 §8.2"),
    case!(quota_counts_a_user_not_a_stamp, Rest, "compatibility: ephemeral credentials"),
    case!(ports_run_out_508, Narrow, "RFC 8656 §7.2"),
    case!(ports_are_given_back, Narrow, "RFC 8656 §8.2"),
    case!(even_ports_run_out_508, Narrow, "RFC 8656 §7.2"),
    case!(reserved_port_is_not_given_to_others, Narrow, "RFC 8656 §7.2"),
    case!(permissions_of_an_allocation_are_limited, Rest, "architecture: limits"),
    case!(channels_of_an_allocation_are_limited, Rest, "architecture: limits"),
    case!(server_lives_after_all_that, Open, "RFC 8489 §6.3"),
];

/// An allocation of one user, and requests that another sends over the same five-tuple.
fn intrude(site: &Site, name: &str) -> Check<(Client, Vec<u16>)> {
    let (owner, intruder) = (site.user(name, 3600)?, site.user(&format!("{name}-intruder"), 3600)?);
    let mut client = site.client_as(owner)?;
    client.allocate()?;
    let peer = site.peer()?.address();
    let mut signer = client.signer()?;
    let realm = signer.realm.clone().unwrap_or_default();
    signer.key = crate::harness::crypto::md5_key(&intruder.username, &realm, &intruder.password);
    signer.username = Some(intruder.username);
    let requests = [drafts::refresh(0), drafts::create_permission(&[peer]), drafts::channel_bind(0x4000, peer)];
    let codes = requests.map(|request| client.exchange(&signer.sign(request)).map(|reply| reply.code()));
    Ok((client, codes.into_iter().collect::<Check<_>>()?))
}

fn allocation_of_another_user_441(site: &Site) -> Check {
    let (_client, codes) = intrude(site, "owner")?;
    ensure!(codes == [441; 3], "Refresh, CreatePermission, ChannelBind got {codes:?}, not 441");
    Ok(())
}

fn allocation_survives_the_intruder(site: &Site) -> Check {
    let (mut client, _) = intrude(site, "survivor")?;
    client.succeed(&drafts::refresh(600)).map(drop)
}

fn allocation_of_the_same_user_with_another_stamp(site: &Site) -> Check {
    let (first, second) = (site.user("restamped", 3600)?, site.user("restamped", 7200)?);
    let mut client = site.client_as(first)?;
    client.allocate()?;
    let mut signer = client.signer()?;
    let realm = signer.realm.clone().unwrap_or_default();
    signer.key = crate::harness::crypto::md5_key(&second.username, &realm, &second.password);
    signer.username = Some(second.username);
    let reply = client.exchange(&signer.sign(drafts::refresh(900)))?;
    ensure!(reply.class() == Class::Success, "got {reply}, not success");
    ensure!(signer.vouches(&reply) == Some(true), "the answer is not signed with the new key");
    Ok(())
}

/// As many clients as the quota allows, all of one user.
fn full(site: &Site, name: &str) -> Check<Vec<Client>> {
    let account = site.user(name, 3600)?;
    let mut clients: Vec<Client> = (0..site::QUOTA).map(|_| site.client_as(account.clone())).collect::<Check<_>>()?;
    clients.iter_mut().try_for_each(|client| client.allocate().map(drop))?;
    Ok(clients)
}

fn quota_486(site: &Site) -> Check {
    let mut clients = full(site, "quota")?;
    site.client_as(site.user("quota", 3600)?)?.refused(&drafts::allocate(), &[486])?;
    clients.iter_mut().try_for_each(|client| client.succeed(&drafts::refresh(600)).map(drop))
}

fn quota_486_retransmitted_is_486_again(site: &Site) -> Check {
    let _clients = full(site, "quota-again")?;
    let mut client = site.client_as(site.user("quota-again", 3600)?)?;
    let request = client.signer()?.sign(drafts::allocate());
    let codes = [client.exchange(&request)?.code(), client.exchange(&request)?.code()];
    ensure!(codes == [486, 486], "got errors {codes:?}");
    Ok(())
}

fn quota_is_each_users_own(site: &Site) -> Check {
    let _clients = full(site, "quota-mine")?;
    site.client_as(site.user("quota-yours", 3600)?)?.allocate().map(drop)
}

fn quota_is_given_back(site: &Site) -> Check {
    let mut clients = full(site, "quota-back")?;
    clients[0].succeed(&drafts::refresh(0))?;
    let mut client = site.client_as(site.user("quota-back", 3600)?)?;
    client.allocate()?;
    clients[0].refused(&drafts::allocate(), &[486]).map(drop)
}

fn quota_counts_a_user_not_a_stamp(site: &Site) -> Check {
    let _clients = full(site, "quota-stamp")?;
    site.client_as(site.user("quota-stamp", 9999)?)?.refused(&drafts::allocate(), &[486]).map(drop)
}

/// Clients with all the ports there are.
fn drained(site: &Site) -> Check<Vec<Client>> {
    let mut clients: Vec<Client> = (0..site::PORTS).map(|_| site.client()).collect::<Check<_>>()?;
    clients.iter_mut().try_for_each(|client| client.allocate().map(drop))?;
    Ok(clients)
}

/// Ends all these and waits until their ports are free again: a server may take a second to clean up (coturn does).
fn give_back(clients: Vec<Client>) {
    drop(clients);
    std::thread::sleep(std::time::Duration::from_millis(1300));
}

fn ports_run_out_508(site: &Site) -> Check {
    let _alone = site.alone();
    let mut clients = drained(site)?;
    let refused = site.client()?.refused(&drafts::allocate(), &[508]).map(drop);
    let alive = clients.iter_mut().try_for_each(|client| client.succeed(&drafts::refresh(600)).map(drop));
    give_back(clients);
    refused.and(alive)
}

fn ports_are_given_back(site: &Site) -> Check {
    let _alone = site.alone();
    for _ in 0..2 {
        give_back(drained(site)?);
    }
    Ok(())
}

fn even(reserve: u8) -> Draft {
    drafts::allocate().attr(attr::EVEN_PORT, &[reserve])
}

fn even_ports_run_out_508(site: &Site) -> Check {
    let _alone = site.alone();
    let mut clients: Vec<Client> = (0..site::PORTS / 2).map(|_| site.client()).collect::<Check<_>>()?;
    let given = clients.iter_mut().try_for_each(|client| client.allocate_by(&even(0)).map(drop));
    let refused = site.client()?.refused(&even(0), &[508]).map(drop);
    // The odd ones are still there.
    let mut odd_one = site.client()?;
    let odd = odd_one.allocate().map(drop);
    clients.push(odd_one);
    give_back(clients);
    given.and(refused).and(odd)
}

fn reserved_port_is_not_given_to_others(site: &Site) -> Check {
    let _alone = site.alone();
    let mut first = site.client()?;
    let allocation = first.allocate_by(&even(0x80))?;
    let token = allocation.reply.get(attr::RESERVATION_TOKEN).unwrap_or_default().to_vec();
    let mut others: Vec<Client> = (2..site::PORTS).map(|_| site.client()).collect::<Check<_>>()?;
    let given = others.iter_mut().try_for_each(|client| client.allocate().map(drop));
    let refused = site.client()?.refused(&drafts::allocate(), &[508]).map(drop);
    let mut redeemer = site.client()?;
    let redeemed = redeemer.allocate_by(&drafts::allocate().attr(attr::RESERVATION_TOKEN, &token)).map(drop);
    others.extend([first, redeemer]);
    give_back(others);
    given.and(refused).and(redeemed)
}

/// A documentation address: nothing is sent there.
fn nobody(number: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, u8::try_from(number).unwrap_or_default()], 9))
}

fn permissions_of_an_allocation_are_limited(site: &Site) -> Check {
    let mut client = site.client_as(site.user("permissions", 3600)?)?;
    client.allocate()?;
    let most: Vec<SocketAddr> = (1..=site::PERMISSIONS).map(nobody).collect();
    client.permit(&most[1..])?;
    // One is left: two more are one too many, and then none of them is installed.
    client.refused(&drafts::create_permission(&[nobody(100), nobody(101)]), &[508])?;
    client.permit(&most[..1])?;
    client.refused(&drafts::create_permission(&[nobody(100)]), &[508])?;
    client.permit(&most)
}

fn channels_of_an_allocation_are_limited(site: &Site) -> Check {
    let mut client = site.client_as(site.user("channels", 3600)?)?;
    client.allocate()?;
    let peer = |number: u16| SocketAddr::new(nobody(1).ip(), 1000 + number);
    (0..site::CHANNELS).try_for_each(|number| client.bind(0x4000 + number, peer(number)))?;
    let number = site::CHANNELS;
    client.refused(&drafts::channel_bind(0x4000 + number, peer(number)), &[508])?;
    client.bind(0x4000, peer(0))
}

fn server_lives_after_all_that(site: &Site) -> Check {
    let reply = site.client()?.exchange(&drafts::binding())?;
    ensure!(reply.class() == Class::Success, "got {reply}, not success");
    site.client()?.allocate().map(drop)
}
