//! What each proxy is told, in its own language. All of them are told the same.

use std::net::SocketAddr;

use serde_json::json;

use super::Layout;
use crate::client::HOST;

/// The inventory file of Hiveway: one service with four tasks, whose container ids are as long as Docker's, and further
/// hosts beside the usual one.
pub(crate) fn inventory(layout: &Layout, sticky: bool, further_hosts: &[String]) -> String {
    let tasks: Vec<_> = layout
        .backends
        .iter()
        .enumerate()
        .map(|(number, backend)| json!({ "container": format!("{number:064x}"), "address": backend.ip() }))
        .collect();
    let hosts = [&[HOST.to_owned()], further_hosts].concat().join(";");
    let port = layout.backends[0].port();
    let labels = json!({
        format!("hiveway.routing.port_{port}"): hosts,
        "hiveway.routing.session_sticky": sticky.to_string()
    });
    json!({ "services": [{ "name": "restserver", "labels": labels, "tasks": tasks }] }).to_string()
}

pub(super) fn haproxy(layout: &Layout) -> String {
    let mut servers = String::new();
    for (number, backend) in layout.backends.iter().enumerate() {
        servers += &format!("  server s{number} {backend}\n");
    }
    format!(
        "global\n  nbthread 1\n  no strict-limits\n  maxconn 30000\n\
         defaults\n  mode http\n  option http-keep-alive\n  timeout connect 1s\n  timeout client 600s\n  timeout server 60s\n  \
         timeout http-keep-alive 600s\n\
         frontend web\n  bind {}\n  option forwardfor\n  http-request set-header X-Forwarded-Proto http\n  \
         http-request set-header X-Forwarded-Host %[req.hdr(host)]\n  acl restserver hdr(host) -i {HOST}\n  \
         use_backend restserver if restserver\n\
         backend restserver\n  balance roundrobin\n  http-reuse always\n{servers}",
        layout.proxy
    )
}

pub(super) fn nginx(layout: &Layout) -> String {
    let mut servers = String::new();
    for backend in &layout.backends {
        servers += &format!("    server {backend};\n");
    }
    format!(
        "daemon off;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr crit;\n\
         events {{ worker_connections 30000; }}\n\
         http {{\n  access_log off;\n  keepalive_timeout 600s;\n  keepalive_requests 1000000000;\n  \
         client_body_temp_path body;\n  proxy_temp_path proxy;\n  fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n  \
         scgi_temp_path scgi;\n  \
         upstream restserver {{\n{servers}    keepalive 128;\n    keepalive_requests 1000000000;\n  }}\n  \
         server {{\n    listen {};\n    server_name {HOST};\n    location / {{\n      proxy_pass http://restserver;\n      \
         proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      proxy_set_header Host $host;\n      \
         proxy_set_header X-Forwarded-For $remote_addr;\n      proxy_set_header X-Forwarded-Proto $scheme;\n      \
         proxy_set_header X-Forwarded-Host $host;\n    }}\n  }}\n}}\n",
        layout.proxy
    )
}

pub(super) fn traefik(layout: &Layout) -> String {
    let servers: Vec<_> = layout
        .backends
        .iter()
        .map(|backend| json!({ "url": format!("http://{backend}") }))
        .collect();
    json!({ "http": {
        "routers": { "restserver": { "rule": format!("Host(`{HOST}`)"), "entryPoints": ["web"], "service": "restserver" } },
        "services": { "restserver": { "loadBalancer": { "servers": servers } } }
    } })
    .to_string()
}

pub(super) fn envoy(layout: &Layout) -> String {
    let address = |address: &SocketAddr| json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } });
    let endpoints: Vec<_> = layout
        .backends
        .iter()
        .map(|backend| json!({ "endpoint": { "address": address(backend) } }))
        .collect();
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "web",
        "use_remote_address": true,
        "append_x_forwarded_port": false,
        "common_http_protocol_options": { "idle_timeout": "600s" },
        "route_config": { "virtual_hosts": [{
            "name": "restserver",
            "domains": [HOST],
            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "restserver" } }],
            "request_headers_to_add": [{ "header": { "key": "x-forwarded-host", "value": "%REQ(:AUTHORITY)%" } }]
        }] },
        "http_filters": [{ "name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }]
    });
    json!({ "static_resources": {
        "listeners": [{
            "name": "web",
            "address": address(&layout.proxy),
            "filter_chains": [{ "filters": [{
                "name": "envoy.filters.network.http_connection_manager", "typed_config": manager }] }]
        }],
        "clusters": [{
            "name": "restserver",
            "type": "STATIC",
            "lb_policy": "ROUND_ROBIN",
            "connect_timeout": "1s",
            "load_assignment": { "cluster_name": "restserver", "endpoints": [{ "lb_endpoints": endpoints }] }
        }]
    } })
    .to_string()
}
