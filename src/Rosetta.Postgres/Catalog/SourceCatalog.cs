using Npgsql;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Catalog;

/// <summary>
/// The source's tables. Temporary, system and extension-owned tables and the schema <c>rosetta</c> are left out. A partitioned table
/// appears beside its partitions; which of them is replicated is decided by the publication (<see cref="ReplicatedTables"/>).
/// </summary>
public sealed class SourceCatalog(SourceDatabase database) : ISourceSchema
{
    /// <summary>Every user table, partitioned ones included, ordered by schema and name.</summary>
    /// <param name="publicationPattern">Regular expression for the names of the publications that make a table count as published.</param>
    public async Task<IReadOnlyList<SourceTable>> ListAsync(string? publicationPattern, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        return await ReadAsync(connection, CatalogSql.UserTables, publicationPattern, cancellationToken);
    }

    /// <summary>One table with everything known about it; null when there is none of that name.</summary>
    public async Task<SourceTable?> FindAsync(TableName table, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        var found = await ReadAsync(connection, CatalogSql.Only(table), null, cancellationToken);
        return found.Count == 0 ? null : found[0];
    }

    /// <inheritdoc/>
    public async Task<TableDescription?> DescribeAsync(TableName table, CancellationToken cancellationToken) =>
        (await FindAsync(table, cancellationToken))?.Description;

    /// <summary>What a table has beside its columns and its key.</summary>
    public async Task<IReadOnlyList<TableExtra>> ReadExtrasAsync(TableName table, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(ExtrasSql.Of(table), connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var extras = new List<TableExtra>();
        while (await reader.ReadAsync(cancellationToken))
            extras.Add(ExtrasSql.Read(reader));
        return extras;
    }

    /// <summary>The tables a pipeline with publications of its own replicates: ordinary tables and leaf partitions.</summary>
    public static IReadOnlyList<SourceTable> ReplicatedTables(IEnumerable<SourceTable> all) => [.. all.Where(t => !t.IsPartitioned)];

    /// <summary>The same through a walsender's or a snapshot's own session, as its transaction sees the catalog.</summary>
    internal static async Task<SourceTable?> FindAsync(PgConnection connection, TableName table, CancellationToken cancellationToken)
    {
        var found = await ReadAsync(connection, CatalogSql.Only(table), cancellationToken);
        return found.Count == 0 ? null : found[0];
    }

    /// <summary>The same of many tables at once: a look at the types of all user tables is dear where these are many.</summary>
    internal static Task<IReadOnlyList<SourceTable>> FindAsync(PgConnection connection, IEnumerable<TableName> tables, CancellationToken cancellationToken) =>
        ReadAsync(connection, CatalogSql.Only(tables), cancellationToken);

    static async Task<IReadOnlyList<SourceTable>> ReadAsync(PgConnection connection, string where, CancellationToken cancellationToken)
    {
        var typeRows = await connection.QueryAsync(CatalogSql.Types(where), cancellationToken);
        var rows = await connection.QueryAsync(CatalogSql.Tables(where, null), cancellationToken);
        var types = new TypeCatalog(Enumerable.Range(0, typeRows.Rows.Count).Select(i => typeRows.RequiredText(i, 0)));
        return [.. Enumerable.Range(0, rows.Rows.Count).Select(i => CatalogJson.ReadTable(rows.RequiredText(i, 0), types))];
    }

    internal static async Task<IReadOnlyList<SourceTable>> ReadAsync(
        NpgsqlConnection connection, string where, string? publicationPattern, CancellationToken cancellationToken)
    {
        // One batch: both statements see the catalog within a moment, in one round trip.
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(new NpgsqlBatchCommand(CatalogSql.Types(where)));
        batch.BatchCommands.Add(new NpgsqlBatchCommand(CatalogSql.Tables(where, publicationPattern)));
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var typeRows = new List<string>();
        while (await reader.ReadAsync(cancellationToken))
            typeRows.Add(reader.GetString(0));
        await reader.NextResultAsync(cancellationToken);
        var types = new TypeCatalog(typeRows);
        var tables = new List<SourceTable>();
        while (await reader.ReadAsync(cancellationToken))
            tables.Add(CatalogJson.ReadTable(reader.GetString(0), types));
        return tables;
    }
}
