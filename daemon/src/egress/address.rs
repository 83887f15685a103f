//! What an address is for, after the IANA special-purpose registries (RFC 6890 and its updates).
//!
//! Only what is certainly a place on the public internet is [`Kind::Public`]. Addresses that carry a v4 address in
//! a v6 one (mapped, NAT64, 6to4, Teredo) are never public: nobody's name resolves to them by honest means, and a
//! translator would lead past the v4 table.
//!
//! What must never happen here: an address without a row that leads inside.
//! Go next to `guard` for the decision that uses this.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A place on the public internet.
    Public,
    /// This machine.
    Loopback,
    /// A network inside, of a company or a provider: RFC 1918, RFC 6598, RFC 4193.
    Private,
    /// Link-local, multicast, translation, documentation and the rest that no request belongs to.
    Reserved,
}

/// A network, what it is for and what it is called.
type Row<A> = (A, u32, Kind, &'static str);

const V4: &[Row<Ipv4Addr>] = &[
    (Ipv4Addr::UNSPECIFIED, 8, Kind::Reserved, "this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Kind::Private, "a private network"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Kind::Private, "a carrier's shared network"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Kind::Loopback, "this machine"),
    (Ipv4Addr::new(168, 63, 129, 16), 32, Kind::Reserved, "a cloud's metadata service"),
    (
        Ipv4Addr::new(169, 254, 0, 0),
        16,
        Kind::Reserved,
        "link-local, where clouds keep their metadata service",
    ),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Kind::Private, "a private network"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Kind::Reserved, "reserved for protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Kind::Reserved, "documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Kind::Reserved, "a translation network"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Kind::Private, "a private network"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Kind::Reserved, "a benchmark network"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Kind::Reserved, "documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Kind::Reserved, "documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Kind::Reserved, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Kind::Reserved, "reserved"),
];

const V6: &[Row<Ipv6Addr>] = &[
    (Ipv6Addr::UNSPECIFIED, 128, Kind::Reserved, "this network"),
    (Ipv6Addr::LOCALHOST, 128, Kind::Loopback, "this machine"),
    (Ipv6Addr::UNSPECIFIED, 96, Kind::Reserved, "a v4 address in v6 form"),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, Kind::Reserved, "a v4 address in v6 form"),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, Kind::Reserved, "a translation network"),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, Kind::Reserved, "a translation network"),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, Kind::Reserved, "discarded"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Kind::Reserved, "reserved for protocols"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Kind::Reserved, "documentation"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, Kind::Reserved, "a translation network"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Kind::Reserved, "documentation"),
    (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, Kind::Public, "the public internet"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Kind::Private, "a private network"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, Kind::Reserved, "link-local"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, Kind::Private, "a private network"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, Kind::Reserved, "multicast"),
];

/// What the address is for, and that in words. The first row that holds it counts.
pub(super) fn kind(address: IpAddr) -> (Kind, &'static str) {
    match address {
        IpAddr::V4(address) => V4
            .iter()
            .find(|(network, prefix, ..)| (network.to_bits() ^ address.to_bits()) >> (32 - prefix) == 0)
            .map_or((Kind::Public, "the public internet"), |(_, _, kind, words)| (*kind, *words)),
        IpAddr::V6(address) => V6
            .iter()
            .find(|(network, prefix, ..)| (network.to_bits() ^ address.to_bits()) >> (128 - prefix) == 0)
            .map_or((Kind::Reserved, "not assigned"), |(_, _, kind, words)| (*kind, *words)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Kind {
        kind(text.parse().unwrap()).0
    }

    #[test]
    fn every_row_holds_its_first_and_last_address_and_not_their_neighbours() {
        for (network, prefix, expected, words) in V4 {
            let first = network.to_bits();
            let last = first | (u32::MAX.checked_shr(*prefix).unwrap_or(0));
            for bits in [first, last] {
                assert_eq!(kind(IpAddr::V4(Ipv4Addr::from_bits(bits))), (*expected, *words));
            }
            for bits in [first.checked_sub(1), last.checked_add(1)].into_iter().flatten() {
                assert_ne!(kind(IpAddr::V4(Ipv4Addr::from_bits(bits))).1, *words, "{network}/{prefix}");
            }
        }
        for (network, prefix, expected, words) in V6 {
            let last = network.to_bits() | (u128::MAX.checked_shr(*prefix).unwrap_or(0));
            assert_eq!(
                kind(IpAddr::V6(Ipv6Addr::from_bits(last))),
                (*expected, *words),
                "{network}/{prefix}"
            );
        }
    }

    #[test]
    fn places_on_the_internet_are_public() {
        for text in ["1.1.1.1", "8.8.8.8", "99.255.255.255", "172.15.0.1", "172.32.0.1", "223.255.255.255"] {
            assert_eq!(of(text), Kind::Public, "{text}");
        }
        for text in ["2606:4700::1111", "2a00:1450:4001::1", "2001:200::1", "2003::1", "3ffe::1"] {
            assert_eq!(of(text), Kind::Public, "{text}");
        }
    }

    #[test]
    fn what_is_not_assigned_is_not_public() {
        for text in ["4000::1", "5f00::1", "1::1", "fe00::1", "fe7f::1", "200::1"] {
            assert_eq!(of(text), Kind::Reserved, "{text}");
        }
    }
}
