use super::*;

#[test]
fn a_fire_names_its_event() {
    let workflow = WorkflowId::new(1_700_000_000_000);
    let fire = 1_790_000_000_123;
    let event = event_of_fire(workflow, "cron 0 9 * * * UTC", fire);
    assert_eq!(event, event_of_fire(workflow, "cron 0 9 * * * UTC", fire));
    assert_ne!(event, event_of_fire(workflow, "cron 0 9 * * * UTC", fire + 1));
    assert_ne!(event, event_of_fire(workflow, "cron 0 8 * * * UTC", fire));
    assert_ne!(event, event_of_fire(WorkflowId::new(1_700_000_000_001), "cron 0 9 * * * UTC", fire));
    // RFC 9562 §5.7: 48 bits of time, then version 7, then variant 10.
    let bytes = event.as_bytes();
    assert_eq!(bytes[..6], fire.to_be_bytes()[2..]);
    assert_eq!((bytes[6] >> 4, bytes[8] >> 6), (7, 2));
}

#[test]
fn an_entry_comes_back_from_disk_as_it_was() {
    let text = "
name: w
on:
  schedule:
    - { cron: 15  2 * * *, timezone: europe/berlin, catchup: all, catchup-window: 6h, overlap: queue, jitter: 1m }
    - { at: '2026-12-24T18:00:00', timezone: Asia/Kolkata }
steps: [{ run: echo }]
";
    let checked = tenantry_workflow::check("w.yaml", text, tenantry_workflow::Format::Yaml);
    for schedule in checked.workflow.unwrap().triggers.schedules {
        let stored = serde_json::to_string(&Spec::of(&schedule)).unwrap();
        let again = Spec::parse(&stored).unwrap().schedule().unwrap();
        assert_eq!(again.key(), schedule.key());
        assert_eq!(format!("{again:?}"), format!("{schedule:?}"));
    }
    assert!(Spec::parse("{}").is_err());
}

#[test]
fn the_earliest_hint_is_first_and_a_waiting_fire_is_woken_by_its_workflow_only() {
    let hints = Schedules::default();
    let (one, other) = (TenantId::new(1), TenantId::new(2));
    let (mine, its) = (WorkflowId::new(3), WorkflowId::new(4));
    hints.set(one, Some(50));
    hints.not_later(other, 40);
    hints.not_later(other, 60);
    assert_eq!(hints.first(), Some((40, other)));
    hints.set(other, Some(70));
    assert_eq!(hints.first(), Some((50, one)));
    hints.run_ended(other, its);
    assert_eq!(hints.first(), Some((50, one)));
    hints.set_holding(other, &[its]);
    hints.run_ended(one, its);
    hints.run_ended(other, mine);
    assert_eq!(hints.first(), Some((50, one)));
    hints.run_ended(other, its);
    assert_eq!(hints.first(), Some((i64::MIN, other)));
    assert_eq!(hints.first_but(&HashSet::from([other])), Some((50, one)));
    hints.forget(other);
    hints.take(one);
    assert_eq!(hints.first(), None);
}
