using System.Globalization;
using Rosetta.Bench.Stage;

namespace Rosetta.Bench.Workloads;

/// <summary>Changes that are made at the source by one PL/pgSQL block, transaction by transaction.</summary>
/// <param name="Name">As in the tables of results.</param>
/// <param name="Changes">Rows changed, without those of <c>progress</c>.</param>
/// <param name="Script">The block; gets the number of changes before it.</param>
sealed record Workload(string Name, long Changes, Func<long, string> Script)
{
    /// <summary>Makes the changes. Commits do not wait for the disk: filling is not what is measured.</summary>
    /// <param name="before">Changes made so far by all workloads; where <c>progress</c> goes on.</param>
    public Task FillAsync(BenchDatabases databases, long before, CancellationToken cancellationToken) =>
        databases.ExecuteAtSourceAsync(Script(before), cancellationToken);

    const int InsertsPerTransaction = 1_000;
    const int UpdatesPerTransaction = 100;
    const int TransactionsPerMark = 250;

    /// <summary>Inserts of 11 mixed columns in transactions of 1,000.</summary>
    public static Workload Inserts(BenchOptions options)
    {
        var changes = options.Scaled(1_000_000, InsertsPerTransaction);
        return new Workload($"{Count(changes)} inserts, 1,000 a transaction", changes, before => string.Create(
            CultureInfo.InvariantCulture,
            $"""
            DO $$
            DECLARE done bigint := {before}; first bigint := (SELECT coalesce(max(id), 0) FROM items);
            BEGIN
              PERFORM set_config('synchronous_commit', 'off', false);
              FOR i IN 1..{changes / InsertsPerTransaction} LOOP
                INSERT INTO items {BenchTables.MixedRows("first + 1", $"first + {InsertsPerTransaction}")};
                first := first + {InsertsPerTransaction};
                done := done + {InsertsPerTransaction};
                INSERT INTO progress VALUES (done);
                COMMIT;
              END LOOP;
            END $$
            """));
    }

    /// <summary>Updates of three columns by key, random keys, in transactions of 100.</summary>
    /// <param name="stock">Rows of the table.</param>
    public static Workload Updates(BenchOptions options, long stock)
    {
        var changes = options.Scaled(500_000, UpdatesPerTransaction * 10);
        return new Workload($"{Count(changes)} updates by key, 100 a transaction", changes, before => string.Create(
            CultureInfo.InvariantCulture,
            $"""
            DO $$
            DECLARE done bigint := {before};
            BEGIN
              PERFORM setseed(0.5);
              PERFORM set_config('synchronous_commit', 'off', false);
              FOR i IN 1..{changes / UpdatesPerTransaction} LOOP
                FOR j IN 1..{UpdatesPerTransaction} LOOP
                  UPDATE stock SET quantity = quantity + 1, price = price + 0.01, created = created + interval '1 second'
                  WHERE id = (SELECT 1 + floor(random() * {stock})::bigint);
                END LOOP;
                done := done + {UpdatesPerTransaction};
                IF i % 10 = 0 THEN
                  INSERT INTO progress VALUES (done);
                END IF;
                COMMIT;
              END LOOP;
            END $$
            """));
    }

    /// <summary>As TPC-B: three updates (account, teller, branch) and an insert into the history, one transaction each.</summary>
    public static Workload SmallTransactions(BenchOptions options, long accounts, long full = 500_000)
    {
        var transactions = options.Scaled(full, TransactionsPerMark);
        return new Workload($"{Count(transactions)} transactions of 3 updates and 1 insert", transactions * 4, before => string.Create(
            CultureInfo.InvariantCulture,
            $"""
            DO $$
            DECLARE
              done bigint := {before}; h bigint := (SELECT coalesce(max(hid), 0) FROM history);
              a integer; t integer; b integer; d integer;
            BEGIN
              PERFORM setseed(0.5);
              PERFORM set_config('synchronous_commit', 'off', false);
              FOR i IN 1..{transactions} LOOP
                a := 1 + floor(random() * {accounts}); t := 1 + floor(random() * 100); b := 1 + floor(random() * 10); d := floor(random() * 10000) - 5000;
                UPDATE accounts SET abalance = abalance + d WHERE aid = a;
                UPDATE tellers SET tbalance = tbalance + d WHERE tid = t;
                UPDATE branches SET bbalance = bbalance + d WHERE bid = b;
                INSERT INTO history VALUES (h + i, t, b, a, d, localtimestamp, '');
                done := done + 4;
                IF i % {TransactionsPerMark} = 0 THEN
                  INSERT INTO progress VALUES (done);
                END IF;
                COMMIT;
              END LOOP;
            END $$
            """));
    }

    static string Count(long number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
