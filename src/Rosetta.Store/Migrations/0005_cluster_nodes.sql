-- Who is there, by each node's own word: how nodes find each other, and the arbiter when they lose sight of each other.
-- Every time in it is this database's clock (clock_timestamp()): the nodes' clocks are never compared.
-- Read and written by Rosetta.Actors/Cluster only (docs/adr/0002-config-database-arbitrates-downing.md).
CREATE TABLE cluster_nodes (
    system         text NOT NULL,
    -- host:port of Akka remoting, as other nodes reach it.
    address        text NOT NULL,
    -- Akka's uid of the actor system: a restarted process at the same address has another one.
    uid            integer NOT NULL,
    roles          text[] NOT NULL DEFAULT '{}',
    version        text NOT NULL DEFAULT '',
    -- starting: not yet a member of a cluster; up; leaving: draining. down: taken out by the others, for good. A node that finds
    -- its own row down, or replaced by another uid, ends: this is the fence that also a node without network to its peers meets.
    state          text NOT NULL DEFAULT 'starting',
    -- Until then this node may found a cluster and the others wait for it.
    founder_until  timestamptz,
    started_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat      timestamptz NOT NULL DEFAULT clock_timestamp(),
    downed_by      text,
    PRIMARY KEY (system, address),
    CONSTRAINT cluster_nodes_state_known CHECK (state IN ('starting', 'up', 'leaving', 'down')),
    CONSTRAINT cluster_nodes_downed_by_someone CHECK ((state = 'down') = (downed_by IS NOT NULL))
) WITH (fillfactor = 50);
