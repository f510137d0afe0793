//! The objects of a swarm that exists on paper only, as an engine writes them. They have the fields and about the size of those
//! of a real stack: three kilobytes a task.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Size;
use super::world::Stage;

/// The network that all tasks are on.
const NETWORK: &str = "mesh";

/// Where a task's address begins: 127.1.0.1. All of 127.0.0.0/8 is this machine.
const FIRST_ADDRESS: u32 = 0x7f01_0001;

/// An item of `GET /tasks`.
pub(super) fn task(size: &Size, service: usize, slot: usize, number: u32, stage: Stage) -> String {
    let (desired, state) = stage.words();
    let address = std::net::Ipv4Addr::from(FIRST_ADDRESS + number);
    let mut status = json!({
        "Timestamp": "2026-11-22T23:38:39.435255941Z",
        "State": state,
        "Message": "started",
        "PortStatus": {},
    });
    if !matches!(stage, Stage::Waits) {
        let (id, pid) = (container_id(number), 1000 + number);
        status["ContainerStatus"] = json!({"ContainerID": id, "PID": pid, "ExitCode": 0});
    }
    let task = json!({
        "ID": task_id(number),
        "Version": {"Index": 26 + number},
        "CreatedAt": "2026-11-22T23:38:37.709422688Z",
        "UpdatedAt": "2026-11-22T23:38:39.443977156Z",
        "Labels": {},
        "Spec": {
            "ContainerSpec": container_spec(service),
            "Resources": {"Limits": {"NanoCPUs": 500_000_000, "MemoryBytes": 268_435_456}, "Reservations": {"MemoryBytes": 67_108_864}},
            "RestartPolicy": {"Condition": "any", "Delay": 5_000_000_000_u64, "MaxAttempts": 0},
            "Placement": {"Constraints": ["node.role == worker"], "Platforms": [{"Architecture": "amd64", "OS": "linux"}, {"Architecture": "arm64", "OS": "linux"}]},
            "Networks": [{"Target": network_id(), "Aliases": [service_name(service)]}],
            "LogDriver": {"Name": "json-file", "Options": {"max-file": "3", "max-size": "10m"}},
            "ForceUpdate": 0,
        },
        "ServiceID": service_id(service),
        "Slot": slot,
        "NodeID": node_id(number as usize % size.nodes),
        "Status": status,
        "DesiredState": desired,
        "NetworksAttachments": [{
            "Network": {
                "ID": network_id(),
                "Version": {"Index": 12},
                "CreatedAt": "2026-11-22T23:38:37.659665797Z",
                "UpdatedAt": "2026-11-22T23:38:37.661593915Z",
                "Spec": {
                    "Name": NETWORK, "Labels": {}, "DriverConfiguration": {"Name": "overlay"}, "Attachable": true,
                    "IPAMOptions": {"Driver": {"Name": "default"}}, "Scope": "swarm",
                },
                "DriverState": {"Name": "overlay", "Options": {"com.docker.network.driver.overlay.vxlanid_list": "4097"}},
                "IPAMOptions": {"Driver": {"Name": "default"}, "Configs": [{"Subnet": "10.0.0.0/16", "Gateway": "10.0.0.1"}]},
            },
            "Addresses": [format!("{address}/8")],
        }],
    });
    task.to_string()
}

/// An item of `GET /services`.
pub(super) fn service(size: &Size, port: u16, number: usize, state: &str) -> String {
    let mut labels = json!({
        "com.docker.stack.image": "registry.example.com/shop/api:1.42.7",
        "com.docker.stack.namespace": "shop",
        (format!("hiveway.routing.port_{}", port)): format!("svc-{number}.local"),
    });
    for &(key, value) in size.probe.labels() {
        labels[format!("hiveway.probe.{key}")] = value.into();
    }
    let service = json!({
        "ID": service_id(number),
        "Version": {"Index": 14},
        "CreatedAt": "2026-11-22T23:38:37.704951025Z",
        "UpdatedAt": "2026-11-22T23:38:37.706295801Z",
        "Spec": {
            "Name": service_name(number),
            "Labels": labels,
            "TaskTemplate": {
                "ContainerSpec": container_spec(number),
                "Resources": {"Limits": {"NanoCPUs": 500_000_000, "MemoryBytes": 268_435_456}, "Reservations": {}},
                "Placement": {"Constraints": ["node.role == worker"]},
                "Networks": [{"Target": network_id(), "Aliases": [service_name(number)]}],
                "ForceUpdate": 0,
                "Runtime": "container",
            },
            "Mode": {"Replicated": {"Replicas": size.replicas}},
            "UpdateConfig": {"Parallelism": super::BATCH, "FailureAction": "pause", "Monitor": 1_000_000_000, "MaxFailureRatio": 0, "Order": "stop-first"},
            "EndpointSpec": {"Mode": "dnsrr"},
        },
        "Endpoint": {"Spec": {}},
        "UpdateStatus": {"State": state, "StartedAt": "2026-11-22T23:39:00.000000000Z", "Message": "update in progress"},
    });
    service.to_string()
}

fn container_spec(service: usize) -> Value {
    let name = service_name(service);
    json!({
        "Image": "registry.example.com/shop/api:1.42.7@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
        "Labels": {"com.docker.stack.namespace": "shop", "team": "shop", "tier": "backend"},
        "Args": ["serve", "--config", "/etc/api/config.yaml", "--log-level=info"],
        "Env": [
            format!("SERVICE_NAME={name}"), "DATABASE_URL=postgres://shop@postgres.local:5432/shop?sslmode=require", "CACHE_URL=redis://redis.local:6379/0",
            "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector.local:4317", "FEATURES=checkout,search,recommendations,vouchers", "TZ=UTC",
        ],
        "Init": false,
        "StopGracePeriod": 10_000_000_000_u64,
        "Healthcheck": {"Test": ["CMD-SHELL", "wget -q -O- http://127.0.0.1:8080/health || exit 1"], "Interval": 10_000_000_000_u64, "Timeout": 3_000_000_000_u64, "Retries": 3},
        "Mounts": [{"Type": "volume", "Source": format!("{name}_data"), "Target": "/var/lib/api", "VolumeOptions": {"Labels": {"com.docker.stack.namespace": "shop"}}}],
        "DNSConfig": {},
        "Secrets": [{"File": {"Name": "db_password", "UID": "0", "GID": "0", "Mode": 292}, "SecretID": "w8c3m2n5v7b9q1x4z6k0j2h5g", "SecretName": "shop_db_password"}],
        "Isolation": "default",
    })
}

pub(super) fn node(number: usize) -> Value {
    let plugins = [
        "awslogs",
        "fluentd",
        "gcplogs",
        "gelf",
        "journald",
        "json-file",
        "local",
        "logentries",
        "splunk",
        "syslog",
    ];
    let plugins: Vec<Value> = plugins
        .iter()
        .map(|name| json!({"Type": "Log", "Name": name}))
        .collect();
    let mut node = json!({
        "ID": node_id(number),
        "Version": {"Index": 21},
        "CreatedAt": "2026-11-22T23:38:37.016131942Z",
        "UpdatedAt": "2026-11-22T23:38:37.747220682Z",
        "Spec": {"Labels": {"rack": "r7", "zone": "eu-central-1a"}, "Role": "worker", "Availability": "active"},
        "Description": {
            "Hostname": format!("node-{number}"),
            "Platform": {"Architecture": "x86_64", "OS": "linux"},
            "Resources": {"NanoCPUs": 16_000_000_000_u64, "MemoryBytes": 67_276_510_208_u64},
            "Engine": {"EngineVersion": "28.0.4", "Plugins": plugins},
            "TLSInfo": {"TrustRoot": "x".repeat(600), "CertIssuerSubject": "MBMxETAPBgNVBAMTCHN3YXJtLWNh", "CertIssuerPublicKey": "x".repeat(124)},
        },
        "Status": {"State": "ready", "Addr": format!("10.77.{}.{}", number / 250, number % 250 + 1)},
    });
    if number == 0 {
        node["ManagerStatus"] =
            json!({"Leader": true, "Reachability": "reachable", "Addr": "10.77.0.1:2377"});
    }
    node
}

pub(super) fn node_id(number: usize) -> String {
    id(1, number as u64)
}

/// The id that Swarm has of a service.
pub(super) fn service_id(number: usize) -> String {
    id(2, number as u64)
}

pub(super) fn task_id(number: u32) -> String {
    id(3, u64::from(number))
}

fn network_id() -> String {
    id(4, 0)
}

fn service_name(number: usize) -> String {
    format!("shop_svc-{number}")
}

/// Twenty-five characters in no order, as Swarm draws them.
fn id(kind: u64, number: u64) -> String {
    let mut seed = kind << 40 | number;
    (0..25)
        .map(|_| {
            char::from(b"0123456789abcdefghijklmnopqrstuvwxyz"[(scramble(&mut seed) % 36) as usize])
        })
        .collect()
}

fn container_id(number: u32) -> String {
    let mut seed = 5 << 40 | u64::from(number);
    (0..4).fold(String::new(), |mut id, _| {
        // Writing to a string does not fail.
        let _ = write!(id, "{:016x}", scramble(&mut seed));
        id
    })
}

/// The next of a row of numbers that look drawn (splitmix64).
pub(super) fn scramble(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
