//! The members and what may happen to them.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::{Bus, Database, Front, Network, bus, database};
use crate::http::Client;
use crate::server::{APP_ID, Server, Setup};
use crate::wait;

/// Numbers of the members in their network.
const FRONT: u8 = 5;
const FIRST_NODE: u8 = 11;
const WELL_LIMIT: Duration = Duration::from_mins(1);
const END_LIMIT: Duration = Duration::from_mins(1);
/// Longer than the balancer takes to turn away from a node that is stopping.
const DRAIN_DELAY: &str = "3s";
/// How nodes tell about themselves to whoever is not on their machine.
const OPERATOR: &str = "an-operator-of-a-cluster-under-test";

/// What to build.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many nodes; more than one need a database that they share.
    pub nodes: u8,
    /// Environment of every node, such as the database's address.
    pub environment: Vec<(String, String)>,
    /// Whether the nodes share a PostgreSQL with a synchronous standby, made here.
    pub database: bool,
    /// Whether they are connected over a NATS, made here.
    pub bus: bool,
}

/// What may happen to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`, and a new start after a while.
    Kill,
    /// Frozen for a while.
    Freeze,
    /// Cut off from everybody for a while.
    Partition,
    /// What it sends to the database is lost for a while.
    Mute,
    /// The database's primary is killed, and its standby takes over.
    FailOver,
    /// NATS is killed, and started again after a while.
    BusKill,
    /// The same, and everything that it kept is gone.
    BusWipe,
    /// NATS is cut off from everybody for a while.
    BusPartition,
}

impl Fault {
    /// Whether it is NATS that it happens to, so that no request may fail.
    pub fn is_of_bus(self) -> bool {
        matches!(self, Self::BusKill | Self::BusWipe | Self::BusPartition)
    }
}

/// Nodes behind a balancer.
#[derive(Debug)]
pub struct Topology {
    nodes: Vec<Node>,
    /// The balancer.
    pub front: Front,
    database: Option<Database>,
    bus: Option<Bus>,
    // Last: the members' processes end before their namespaces go.
    network: Network,
}

#[derive(Debug)]
struct Node {
    number: u8,
    setup: Setup,
    server: Option<Server>,
    address: SocketAddr,
}

impl Topology {
    /// Starts everything in `folder`.
    pub fn start(folder: &Path, mut network: Network, options: &Options) -> anyhow::Result<Self> {
        let mut options = options.clone();
        let mut database = None;
        if options.database {
            let made = Database::start(&mut network)?;
            let url = ("BASALT_DATABASE_URL".to_owned(), made.url());
            options.environment.push(url);
            database = Some(made);
        }
        let mut bus = None;
        if options.bus {
            let made = Bus::start(folder, &mut network)?;
            let url = ("BASALT_NATS_URL".to_owned(), made.url());
            options.environment.push(url);
            bus = Some(made);
        }
        let mut nodes = Vec::new();
        for index in 0..options.nodes {
            nodes.push(node(folder, &mut network, FIRST_NODE + index, &options)?);
        }
        let (ip, within) = network.join(FRONT)?;
        let addresses: Vec<_> = nodes.iter().map(|node| node.address).collect();
        let front = Front::start(folder, ip, &within, &addresses)?;
        let own = Self {
            nodes,
            front,
            database,
            bus,
            network,
        };
        own.is_well()?;
        Ok(own)
    }

    /// Where each node listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.address).collect()
    }

    /// How the first node is started.
    pub fn setup(&self) -> &Setup {
        &self.nodes[0].setup
    }

    /// What can happen here.
    pub fn faults(&self) -> Vec<Fault> {
        let isolated = self.network.is_isolated();
        let all = [
            (true, Fault::Kill),
            (self.database.is_some(), Fault::FailOver),
            (self.bus.is_some(), Fault::BusKill),
            (true, Fault::Freeze),
            (self.bus.is_some(), Fault::BusWipe),
            (isolated, Fault::Partition),
            (isolated && self.bus.is_some(), Fault::BusPartition),
            (isolated && self.database.is_some(), Fault::Mute),
        ];
        let possible = all.into_iter().filter(|(possible, _)| *possible);
        possible.map(|(_, fault)| fault).collect()
    }

    /// Lets it happen to the node of that index, for so long; afterwards the node is well again.
    pub fn strike(&mut self, fault: Fault, index: usize, time: Duration) -> anyhow::Result<()> {
        let node = &mut self.nodes[index];
        match fault {
            Fault::Kill => {
                let server = node.server.take().context("the node is not running")?;
                server.kill()?;
                wait::last(time);
                node.server = Some(node.setup.start()?);
            }
            Fault::Freeze => {
                let server = node.server.as_ref().context("the node is not running")?;
                server.freeze()?;
                wait::last(time);
                server.thaw()?;
            }
            Fault::Partition => {
                self.network.cut(node.number)?;
                wait::last(time);
                self.network.heal(node.number)?;
            }
            Fault::Mute => {
                for to in database::NUMBERS {
                    self.network.deafen(node.number, to)?;
                }
                wait::last(time);
                for to in database::NUMBERS {
                    self.network.undeafen(node.number, to)?;
                }
            }
            Fault::FailOver => {
                let database = self.database.as_mut();
                database.context("there is no database")?.fail_over()?;
            }
            Fault::BusPartition => {
                self.network.cut(bus::NUMBER)?;
                wait::last(time);
                self.network.heal(bus::NUMBER)?;
            }
            Fault::BusKill | Fault::BusWipe => self.restart_bus(fault == Fault::BusWipe, time)?,
        }
        self.is_well()
    }

    fn restart_bus(&mut self, wiped: bool, time: Duration) -> anyhow::Result<()> {
        let bus = self.bus.as_mut().context("there is no NATS")?;
        bus.kill()?;
        if wiped {
            bus.wipe()?;
        }
        for node in &self.nodes {
            wait::until(WELL_LIMIT, "a node to fall back to polling", || {
                (node.is_polling()? == Value::Bool(true)).then_some(())
            })?;
        }
        wait::last(time);
        self.bus.as_mut().context("there is no NATS")?.revive()
    }

    /// Restarts every node in turn, in good order.
    pub fn restart_all(&mut self) -> anyhow::Result<()> {
        for index in 0..self.nodes.len() {
            let node = &mut self.nodes[index];
            let server = node.server.take().context("the node is not running")?;
            server.terminate()?;
            let ended = server.ended(END_LIMIT)?;
            if !ended.status.success() {
                anyhow::bail!("a node ended with {}:\n{}", ended.status, ended.log);
            }
            node.server = Some(node.setup.start()?);
            self.is_well()?;
            // The balancer takes two good answers a second apart to believe it.
            wait::last(Duration::from_secs(3));
        }
        Ok(())
    }

    /// Waits until every node says that it is well, and connected to NATS if there is one.
    pub fn is_well(&self) -> anyhow::Result<()> {
        for node in &self.nodes {
            wait::until(WELL_LIMIT, "a node to be well", || {
                let answer = Client::new(node.address, &[]).send("GET", "/health", None);
                answer
                    .is_ok_and(|answer| answer.status == 200)
                    .then_some(())
            })?;
            if self.bus.is_some() {
                wait::until(WELL_LIMIT, "a node to be connected", || {
                    (node.is_polling()? == Value::Bool(false)).then_some(())
                })?;
            }
        }
        self.front.is_ready()
    }

    /// Ends all nodes in good order; what they share goes on.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        for node in &mut self.nodes {
            if let Some(server) = node.server.take() {
                server.terminate()?;
                server.ended(END_LIMIT)?;
            }
        }
        Ok(())
    }
}

impl Node {
    /// What it says about whether it falls back to polling.
    fn is_polling(&self) -> Option<Value> {
        let operator = format!("Bearer {OPERATOR}");
        let mut client = Client::new(self.address, &[("Authorization", &operator)]);
        let answer = client.send("GET", "/health?details", None).ok()?;
        Some(answer.body["node"]["falls_back_to_polling"].clone())
    }
}

fn node(
    folder: &Path,
    network: &mut Network,
    number: u8,
    options: &Options,
) -> anyhow::Result<Node> {
    let (ip, within) = network.join(number)?;
    let data = folder.join(format!("node{number}"));
    let mut setup = Setup::new(&data)?;
    let file = folder.join(format!("node{number}.toml"));
    std::fs::write(&file, configuration())?;
    setup.within = within;
    setup.environment.clone_from(&options.environment);
    let mut set = |name: &str, value: String| setup.environment.push((name.to_owned(), value));
    set("BASALT_CONFIG", file.display().to_string());
    set("BASALT_DRAIN_DELAY", DRAIN_DELAY.to_owned());
    set("BASALT_OPERATOR_TOKEN", OPERATOR.to_owned());
    set("BASALT_KEYS_SECRET", "secret-of-shared-keys".to_owned());
    setup.mode = "production";
    let port = if ip.is_loopback() { 0 } else { 1337 };
    setup.listen = SocketAddr::from((ip, port)).to_string();
    let server = setup.start()?;
    let address = server.address;
    // It comes back where the balancer looks for it.
    setup.listen = address.to_string();
    Ok(Node {
        number,
        setup,
        server: Some(server),
        address,
    })
}

/// As open as development mode, which listens on loopback only.
fn configuration() -> String {
    format!(
        "[apps.{APP_ID}]\nnew_classes = \"open\"\nparse = {{ allowClientClassCreation = true, allowCustomObjectId = true, masterKeyIps = [\"0.0.0.0/0\"] }}\n"
    )
}
