//! What each proxy is told, in its own language. All of them are told the same.

use std::net::SocketAddr;

use serde_json::json;

use super::{Layout, Public};

/// The inventory file of Hiveway: one service with four tasks, whose container ids are as long as Docker's, and further
/// hosts beside the usual one.
pub(crate) fn inventory(layout: &Layout, sticky: bool, further_hosts: &[String]) -> String {
    let tasks: Vec<_> = layout
        .backends
        .iter()
        .enumerate()
        .map(|(number, backend)| json!({ "container": format!("{number:064x}"), "address": backend.ip() }))
        .collect();
    let hosts = [&[layout.host().to_owned()], further_hosts]
        .concat()
        .join(";");
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
    let host = layout.host();
    let (mut binds, mut tunnels, mut proto) = (format!("  bind {}\n", layout.proxy), "", "http");
    if let Some(Public {
        tls, credentials, ..
    }) = &layout.public
    {
        let certificate = credentials.both.display();
        binds +=
            &format!("  bind {tls} ssl crt {certificate} alpn h2,http/1.1 ssl-min-ver TLSv1.2\n");
        tunnels = "  timeout tunnel 600s\n";
        proto = "%[ssl_fc,iif(https,http)]";
    }
    format!(
        "global\n  nbthread 1\n  no strict-limits\n  maxconn 30000\n\
         defaults\n  mode http\n  option http-keep-alive\n  timeout connect 1s\n  timeout client 600s\n  timeout server 60s\n  \
         timeout http-keep-alive 600s\n{tunnels}\
         frontend web\n{binds}  option forwardfor\n  http-request set-header X-Forwarded-Proto {proto}\n  \
         http-request set-header X-Forwarded-Host %[req.hdr(host)]\n  acl restserver hdr(host) -i {host}\n  \
         use_backend restserver if restserver\n\
         backend restserver\n  balance roundrobin\n  http-reuse always\n{servers}"
    )
}

pub(super) fn nginx(layout: &Layout) -> String {
    let mut servers = String::new();
    for backend in &layout.backends {
        servers += &format!("    server {backend};\n");
    }
    let host = layout.host();
    let (mut listens, mut bodies) = (format!("    listen {};\n", layout.proxy), "");
    let (mut map, mut connection) = ("", "proxy_set_header Connection \"\";");
    if let Some(Public {
        tls,
        http2,
        credentials,
    }) = &layout.public
    {
        listens += &format!(
            "    listen {http2} http2;\n    listen {tls} ssl http2;\n    ssl_certificate {};\n    \
             ssl_certificate_key {};\n    ssl_protocols TLSv1.2 TLSv1.3;\n",
            credentials.certificate.display(),
            credentials.key.display()
        );
        // Bodies are streamed, as by the others.
        bodies = "    client_max_body_size 0;\n    proxy_request_buffering off;\n    proxy_max_temp_file_size 0;\n";
        map = "  map $http_upgrade $upgraded { default upgrade; '' ''; }\n";
        connection =
            "proxy_set_header Upgrade $http_upgrade;\n      proxy_set_header Connection $upgraded;";
    }
    format!(
        "daemon off;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr crit;\n\
         events {{ worker_connections 30000; }}\n\
         http {{\n  access_log off;\n  keepalive_timeout 600s;\n  keepalive_requests 1000000000;\n  \
         client_body_temp_path body;\n  proxy_temp_path proxy;\n  fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n  \
         scgi_temp_path scgi;\n{map}  \
         upstream restserver {{\n{servers}    keepalive 128;\n    keepalive_requests 1000000000;\n  }}\n  \
         server {{\n{listens}    server_name {host};\n{bodies}    location / {{\n      proxy_pass http://restserver;\n      \
         proxy_http_version 1.1;\n      {connection}\n      proxy_set_header Host $host;\n      \
         proxy_set_header X-Forwarded-For $remote_addr;\n      proxy_set_header X-Forwarded-Proto $scheme;\n      \
         proxy_set_header X-Forwarded-Host $host;\n    }}\n  }}\n}}\n"
    )
}

pub(super) fn traefik(layout: &Layout) -> String {
    let servers: Vec<_> = layout
        .backends
        .iter()
        .map(|backend| json!({ "url": format!("http://{backend}") }))
        .collect();
    let rule = format!("Host(`{}`)", layout.host());
    let mut file = json!({ "http": {
        "routers": { "restserver": { "rule": rule, "entryPoints": ["web"], "service": "restserver" } },
        "services": { "restserver": { "loadBalancer": { "servers": servers } } }
    } });
    if let Some(Public { credentials, .. }) = &layout.public {
        file["http"]["routers"]["secure"] =
            json!({ "rule": rule, "entryPoints": ["tls"], "service": "restserver", "tls": {} });
        file["tls"] = json!({ "certificates": [{
            "certFile": credentials.certificate, "keyFile": credentials.key }] });
    }
    file.to_string()
}

pub(super) fn envoy(layout: &Layout) -> String {
    let address = |address: &SocketAddr| json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } });
    let endpoints: Vec<_> = layout
        .backends
        .iter()
        .map(|backend| json!({ "endpoint": { "address": address(backend) } }))
        .collect();
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "web",
        "use_remote_address": true,
        "append_x_forwarded_port": false,
        "common_http_protocol_options": { "idle_timeout": "600s" },
        "route_config": { "virtual_hosts": [{
            "name": "restserver",
            "domains": [layout.host()],
            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "restserver" } }],
            "request_headers_to_add": [{ "header": { "key": "x-forwarded-host", "value": "%REQ(:AUTHORITY)%" } }]
        }] },
        "http_filters": [{ "name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }]
    });
    if layout.public.is_some() {
        manager["upgrade_configs"] = json!([{ "upgrade_type": "websocket" }]);
    }
    let filters = json!([{ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager }]);
    let mut listeners = vec![json!({
        "name": "web",
        "address": address(&layout.proxy),
        "filter_chains": [{ "filters": filters }]
    })];
    if let Some(Public {
        tls, credentials, ..
    }) = &layout.public
    {
        let certificate = json!({
            "certificate_chain": { "filename": credentials.certificate },
            "private_key": { "filename": credentials.key }
        });
        let context = json!({
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": { "tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3" },
                "tls_certificates": [certificate]
            }
        });
        listeners.push(json!({
            "name": "tls",
            "address": address(tls),
            "filter_chains": [{
                "filters": filters,
                "transport_socket": { "name": "envoy.transport_sockets.tls", "typed_config": context }
            }]
        }));
    }
    json!({ "static_resources": {
        "listeners": listeners,
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

pub(super) fn caddy(layout: &Layout) -> String {
    let upstreams: Vec<_> = layout
        .backends
        .iter()
        .map(|backend| json!({ "dial": backend.to_string() }))
        .collect();
    let server = |address: &SocketAddr, protocols: [&str; 2]| {
        json!({
            "listen": [address.to_string()],
            "protocols": protocols,
            "automatic_https": { "disable": true },
            "idle_timeout": "600s",
            "routes": [{
                "match": [{ "host": [layout.host()] }],
                "handle": [{
                    "handler": "reverse_proxy",
                    "upstreams": upstreams,
                    "load_balancing": { "selection_policy": { "policy": "round_robin" } },
                    "transport": { "protocol": "http", "keep_alive": { "max_idle_conns_per_host": 128 } }
                }]
            }]
        })
    };
    let mut apps =
        json!({ "http": { "servers": { "web": server(&layout.proxy, ["h1", "h2c"]) } } });
    if let Some(Public {
        tls, credentials, ..
    }) = &layout.public
    {
        let mut server = server(tls, ["h1", "h2"]);
        server["tls_connection_policies"] = json!([{}]);
        apps["http"]["servers"]["tls"] = server;
        apps["tls"] = json!({ "certificates": { "load_files": [{
            "certificate": credentials.certificate, "key": credentials.key }] } });
    }
    json!({
        "admin": { "disabled": true, "config": { "persist": false } },
        "logging": { "logs": { "default": { "level": "ERROR" } } },
        "apps": apps
    })
    .to_string()
}
