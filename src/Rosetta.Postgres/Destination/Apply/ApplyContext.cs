using Rosetta.Core.Destinations;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Destination.Fold;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Apply;

/// <summary>What the parts of an apply share: one connection and what happens on it.</summary>
sealed class ApplyContext(PgConnection connection, DestinationOpening opening, PositionRow row, bool replicaRole) : IDisposable
{
    public PgConnection Connection { get; } = connection;

    public DestinationOpening Opening { get; } = opening;

    public PositionRow PositionRow { get; } = row;

    /// <summary>Neither triggers nor foreign keys act here.</summary>
    public bool ReplicaRole { get; } = replicaRole;

    public FlightLine Line { get; } = new(connection);

    public DestinationTransaction Transaction { get; } = new();

    public RowSource Rows { get; } = new();

    /// <summary>Runs something on another connection, in transactions of its own.</summary>
    public required Func<Func<PgConnection, Task>, CancellationToken, Task> OnOwnConnection { get; init; }

    /// <summary>Queues BEGIN, unless the transaction is open.</summary>
    public void Begin()
    {
        if (Transaction.IsOpen)
            return;
        Line.Filling.Query("BEGIN", default);
        Transaction.Begin();
    }

    /// <summary>
    /// Around the statements of a table with DEFERRABLE constraints: under the replica role nobody would check those (the check is a trigger).
    /// </summary>
    public void SetRole(TablePlan plan, bool origin)
    {
        if (!plan.NeedsOriginRole)
            return;
        Line.Filling.Query($"SET LOCAL session_replication_role = {(origin ? "origin" : "replica")}", default);
        Transaction.MayDefer = true;
    }

    public void Dispose()
    {
        Line.Dispose();
        Rows.Dispose();
    }
}
