//! `report.json`: the model as it is, with one key a line.

use std::io::{self, Write};

use super::RunReport;

/// Writes a report as JSON that fits [`super::SCHEMA`].
pub(super) fn write(out: &mut dyn Write, report: &RunReport) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{SCHEMA, fixture};
    use serde_json::Value;

    fn written(report: &RunReport) -> Value {
        let mut bytes = Vec::new();
        write(&mut bytes, report).expect("memory takes every byte");
        serde_json::from_slice(&bytes).expect("it is JSON")
    }

    fn schema() -> jsonschema::Validator {
        let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
        jsonschema::draft202012::meta::validate(&schema).expect("the schema is a schema");
        jsonschema::draft202012::new(&schema).expect("the schema compiles")
    }

    fn mistakes(report: &Value) -> Vec<String> {
        schema().iter_errors(report).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    #[test]
    fn a_report_fits_its_schema() {
        let managed = RunReport::new(fixture::managed(&fixture::managed_totals()));
        assert_eq!(mistakes(&written(&managed)), [""; 0]);
        assert_eq!(mistakes(&written(&fixture::report())), [""; 0]);
        assert_eq!(
            mistakes(&written(&RunReport::new(fixture::inputs(&fixture::doubtful_totals())))),
            [""; 0]
        );
    }

    #[test]
    fn a_report_with_external_servers_and_nothing_in_it_fits_too() {
        let totals = crate::metrics::Totals::new(1, 0);
        let mut inputs = fixture::inputs(&totals);
        inputs.servers.iter_mut().for_each(|server| server.seen = None);
        inputs.generator.server_cpu_seconds = None;
        assert_eq!(mistakes(&written(&RunReport::new(inputs))), [""; 0]);
    }

    #[test]
    fn the_schema_refuses_keys_it_does_not_know_and_misses_those_it_does() {
        let sound = written(&RunReport::new(fixture::managed(&fixture::managed_totals())));
        let closed = [
            "",
            "/run",
            "/verdict",
            "/fleet",
            "/stages",
            "/stages/onboarding",
            "/requests/register",
            "/management",
            "/management/read",
            "/traffic",
        ]
        .into_iter()
        .chain([
            "/generator",
            "/generator/lag_start",
            "/noise",
            "/sockets",
            "/balances/states",
            "/servers/ems",
            "/servers/ems/seen",
            "/servers/ems/seen/desk",
            "/servers/ems/seen/desk/drop",
            "/servers/ems/seen/management",
            "/servers/ems/seen/management/requests",
            "/servers/ems/seen/management/interviews",
            "/servers/ems/seen/management/interviews/duration",
            "/servers/ems/seen/management/observations",
            "/servers/ems/seen/management/sends",
            "/servers/ems/seen/management/queue",
            "/servers/ems/seen/management/campaigns/1",
            "/servers/ems/seen/management/campaigns/1/firmware",
            "/registration_cost",
            "/registration_cost/interview",
        ]);
        for place in closed {
            let mut extra = sound.clone();
            let object = extra.pointer_mut(place).and_then(Value::as_object_mut).expect(place);
            object.insert("surprise".to_owned(), Value::Null);
            assert!(!mistakes(&extra).is_empty(), "an unknown key in {place}");

            let mut poor = sound.clone();
            let object = poor.pointer_mut(place).and_then(Value::as_object_mut).expect(place);
            let key = object.keys().next().expect(place).clone();
            object.remove(&key);
            assert!(!mistakes(&poor).is_empty(), "{place} without {key}");
        }
    }

    #[test]
    fn the_keys_other_programs_rely_on_are_there() {
        let report = written(&fixture::report());
        for key in [
            "/schema_version",
            "/fleet/meters",
            "/fleet/registered_peak",
            "/fleet/registered_end",
            "/fleet/failed",
            "/stages/bootstrap/count",
            "/stages/onboarding/min_us",
            "/stages/onboarding/mean_us",
            "/stages/onboarding/p50_us",
            "/stages/onboarding/p90_us",
            "/stages/onboarding/p99_us",
            "/stages/onboarding/p999_us",
            "/stages/onboarding/max_us",
            "/management/read/ok",
            "/registration_cost/register/sent_bytes",
            "/servers/bootstrap/seen/desk/drop/times",
            "/servers/ems/seen/management/interviews/begun",
            "/traffic/sent",
            "/traffic/received",
            "/traffic/retransmitted",
            "/traffic/duplicates",
            "/traffic/kernel_drops",
            "/generator/lag_p99_us",
            "/generator/lag_max_us",
            "/generator/cpu_seconds",
            "/generator/max_rss_bytes",
            "/failures/registration-refused-5.03",
            "/balances/registrations/ok",
            "/verdict/passed",
        ] {
            assert!(report.pointer(key).is_some_and(|value| !value.is_null()), "{key}");
        }
    }
}
