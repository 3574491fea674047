using Npgsql;
using Rosetta.Demo.Machine;

namespace Rosetta.Demo.Traffic;

/// <summary>A table that is filled by large transactions, like a nightly import. It keeps the last two imports, so it does not grow for ever.</summary>
sealed class ImportTable(DemoDatabase source)
{
    public const string Schema = "shop";

    const string Name = $"{Schema}.imports";
    const int FirstRows = 200_000;
    const int UpdatedShare = 10;

    int _run;

    /// <summary>Transactions committed.</summary>
    public long Transactions { get; private set; }

    /// <summary>Rows changed by them.</summary>
    public long Changes { get; private set; }

    public static async Task<ImportTable> CreateAsync(DemoDatabase source, CancellationToken cancellationToken)
    {
        await source.Server.ExecuteAsync(
            $"""
            CREATE TABLE {Name} (
              run int, line int, sku text NOT NULL, price numeric(12, 2), at timestamptz NOT NULL, note text,
              PRIMARY KEY (run, line))
            """,
            source.Name, cancellationToken);
        var table = new ImportTable(source);
        await table.RunAsync(FirstRows, cancellationToken);
        return table;
    }

    /// <summary>One transaction: the import before last goes, a part of the last is corrected, a new one comes.</summary>
    public async Task RunAsync(int rows, CancellationToken cancellationToken)
    {
        _run++;
        await using var connection = await source.Server.OpenAsync(source.Name, cancellationToken: cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var changes = await ExecuteAsync($"DELETE FROM {Name} WHERE run < {_run - 1}");
        changes += await ExecuteAsync($"UPDATE {Name} SET price = price * 1.1, note = NULL WHERE run = {_run - 1} AND line % {UpdatedShare} = 0");
        changes += await ExecuteAsync(
            $"""
            INSERT INTO {Name}
            SELECT {_run}, i, 'sku-' || i % 5000, (i % 10000) / 100.0, clock_timestamp(), CASE WHEN i % 3 = 0 THEN 'line ' || i END
            FROM generate_series(1, {rows}) i
            """);
        await transaction.CommitAsync(cancellationToken);
        Transactions++;
        Changes += changes;

        async Task<int> ExecuteAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection, transaction) { CommandTimeout = 0 };
            return await command.ExecuteNonQueryAsync(cancellationToken);
        }
    }
}
