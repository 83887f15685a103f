//! Why a socket does not open. Three reasons look alike to a program and are different things for a person: no daemon
//! has made it, a daemon that is gone left it behind, or this user may not open it.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What is wrong with a socket, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: String,
}

/// Looks at the socket that could not be opened.
pub(crate) fn diagnose(path: &Path) -> Diagnosis {
    let shown = path.display();
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => forbidden(path, path.parent()),
        Err(_) => Diagnosis {
            message: format!("no daemon is running: there is no socket at {shown}"),
            hint: "start one: `tenantry up`, or `systemctl start tenantry`".to_owned(),
        },
        Ok(metadata) if !metadata.file_type().is_socket() => Diagnosis {
            message: format!("{shown} is not a socket"),
            hint: "name the daemon's socket with --socket, or leave it to the usual places".to_owned(),
        },
        Ok(_) if rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_err() => {
            forbidden(path, Some(path))
        }
        Ok(_) => Diagnosis {
            message: format!("a daemon left the socket {shown} behind, but none answers on it"),
            hint: "start it again: `tenantry up`, or `systemctl restart tenantry`".to_owned(),
        },
    }
}

/// The permission is missing on `gate`: the socket or its folder.
fn forbidden(path: &Path, gate: Option<&Path>) -> Diagnosis {
    let message = format!("a daemon has a socket at {}, but this user may not open it", path.display());
    let owner = gate.and_then(|gate| fs::metadata(gate).ok()).map(|metadata| metadata.gid());
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let user = user_name();
    let hint = match owner.and_then(|gid| group(&groups, gid)) {
        Some(group) if user.as_deref().is_some_and(|user| group.members.contains(&user)) => format!(
            "you are in the group {0}, but this session is older than that: log in again, or `newgrp {0}`",
            group.name
        ),
        Some(group) => {
            let user = user.unwrap_or_else(|| "USER".to_owned());
            format!("join its group and log in again: `sudo usermod -aG {} {user}`", group.name)
        }
        None => "ask the operator of this machine, or name another with --socket".to_owned(),
    };
    Diagnosis { message, hint }
}

/// A line of group(5).
struct Group<'a> {
    name: &'a str,
    members: Vec<&'a str>,
}

fn group(file: &str, gid: u32) -> Option<Group<'_>> {
    file.lines().find_map(|line| {
        let mut parts = line.split(':');
        let (name, _, number, members) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        (number.parse() == Ok(gid)).then(|| Group { name, members: members.split(',').collect() })
    })
}

/// The name of this user in passwd(5).
fn user_name() -> Option<String> {
    let uid = rustix::process::getuid().as_raw();
    let file = fs::read_to_string("/etc/passwd").ok()?;
    file.lines().find_map(|line| {
        let mut parts = line.split(':');
        let (name, _, number) = (parts.next()?, parts.next()?, parts.next()?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn an_absent_and_an_abandoned_socket_do_not_look_alike() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        let absent = diagnose(&path);
        drop(UnixListener::bind(&path).unwrap());
        let abandoned = diagnose(&path);
        assert!(absent.message.contains("no socket"), "{absent:?}");
        assert!(abandoned.message.contains("behind"), "{abandoned:?}");
        assert!(diagnose(folder.path()).message.contains("not a socket"));
    }

    #[test]
    fn groups_are_found_by_number() {
        let file = "root:x:0:\ntenantry:x:990:anna,ben\nbroken\n";
        let group = group(file, 990).unwrap();
        assert_eq!((group.name, group.members), ("tenantry", vec!["anna", "ben"]));
        assert!(super::group(file, 7).is_none());
    }

    #[test]
    fn a_forbidden_socket_names_its_group() {
        let folder = tempfile::tempdir().unwrap();
        let diagnosis = forbidden(&folder.path().join("api.sock"), Some(folder.path()));
        assert!(diagnosis.message.contains("may not open"), "{diagnosis:?}");
    }
}
