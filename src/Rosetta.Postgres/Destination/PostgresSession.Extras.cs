using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Copies;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Destination.Targets;

namespace Rosetta.Postgres.Destination;

// Indexes and constraints of tables that have been copied, made beside the stream.
sealed partial class PostgresSession
{
    const string MaintenanceSql = "SET maintenance_work_mem = '256MB'; SET statement_timeout = 0; SET enable_seqscan = on";

    /// <summary>Grows when what is known of the targets' indexes and constraints may be no longer true.</summary>
    int _catalog;

    public async Task<IReadOnlyList<MissingExtra>> MakeExtrasAsync(TableExtras extras, CancellationToken cancellationToken)
    {
        await using var connection = await OpenAnotherAsync(cancellationToken);
        await connection.QueryAsync(MaintenanceSql, cancellationToken);
        if (await TargetCatalog.ReadAsync(connection, extras.Route.Target, cancellationToken) is not { } table)
            return [];
        var maker = new ExtraMaker(connection, table, extras, HasReplicaRole);
        var missing = new List<MissingExtra>();
        foreach (var extra in extras.Extras)
        {
            if (await maker.MakeAsync(extra, cancellationToken) is { } lacking)
                missing.Add(lacking);
            Interlocked.Increment(ref _catalog);
        }

        return missing;
    }

    public async Task FinishExtrasAsync(TableName source, IReadOnlyList<MissingExtra> missing, CancellationToken cancellationToken)
    {
        var reason = missing.Count == 0 ? null : string.Join(" ", missing.Select(m => m.Reason));
        var remedy = missing.Count == 0 ? null : string.Join(" ", missing.Select(m => m.Remedy));
        await ChangeStateAsync(StoredTables.ExtrasMadeSql(_row, source, reason, remedy), cancellationToken);
        if (_stored.GetValueOrDefault(source) is { } stored)
            Store(source, stored with { Table = stored.Table with { LacksExtras = false, Missing = reason is null ? null : new MissingExtra(reason, remedy!) } });
        Interlocked.Increment(ref _catalog);
    }

    public async Task LackExtrasAsync(IReadOnlyList<TableName> sources, CancellationToken cancellationToken)
    {
        await ChangeStateAsync(string.Join("; ", sources.Select(s => StoredTables.ExtrasLackingSql(_row, s))), cancellationToken);
        foreach (var source in sources)
        {
            if (_stored.GetValueOrDefault(source) is { } stored)
                Store(source, stored with { Table = stored.Table with { LacksExtras = true, Missing = null } });
        }
    }
}
