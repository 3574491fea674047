using Rosetta.Core.Positions;

namespace Rosetta.Postgres.Replication;

/// <summary>The answer to IDENTIFY_SYSTEM: which cluster this is, on which timeline, and where its WAL is flushed to.</summary>
/// <param name="SystemId">Unique per initdb; a restored copy of the cluster has the same.</param>
/// <param name="Timeline">Grows by one with each promotion.</param>
/// <param name="FlushLsn">End of the WAL that is on disk.</param>
public sealed record SystemIdentity(string SystemId, int Timeline, Lsn FlushLsn);
