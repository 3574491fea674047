using System.Globalization;
using Rosetta.Testing.Servers;

namespace Rosetta.Testing.Workloads;

/// <summary>
/// Looks at a destination all the time while the workload runs: the sum of all balances is the constant whenever there is a row, and
/// no counter ever goes backwards. Either would show a torn or repeated source transaction.
/// </summary>
public sealed class InvariantWatcher : Watcher
{
    static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    readonly PolledServer _server;
    readonly string _sql;
    readonly long _accountsTotal;
    readonly Dictionary<int, long> _counters = [];

    InvariantWatcher(InvariantWatcherOptions options)
        : base(options.Interval, options.Log)
    {
        _server = new PolledServer(options.ConnectionString, Timeout);
        _accountsTotal = options.AccountsTotal;
        // One statement, hence one snapshot. The sum is NULL for a table without rows.
        _sql = "SELECT NULL::int, sum(balance)::bigint FROM " + SqlName.Quote(options.Schema, options.AccountsTable)
            + " UNION ALL SELECT id, value FROM " + SqlName.Quote(options.Schema, options.CountersTable);
    }

    /// <summary>Looks in which the accounts had rows.</summary>
    public long SumsSeen { get; private set; }

    public static InvariantWatcher Start(InvariantWatcherOptions options)
    {
        var watcher = new InvariantWatcher(options);
        watcher.Begin();
        return watcher;
    }

    private protected override async Task<bool> LookAsync(CancellationToken cancellationToken)
    {
        if (await _server.TryQueryAsync(_sql, cancellationToken) is not { } rows)
            return false;
        foreach (var row in rows)
        {
            if (row[0] is DBNull)
                CheckSum(row[1]);
            else
                CheckCounter((int)row[0], (long)row[1]);
        }
        return true;
    }

    private protected override Task CloseAsync() => _server.DisposeAsync().AsTask();

    void CheckSum(object sum)
    {
        if (sum is not long total)
            return;
        SumsSeen++;
        if (total != _accountsTotal)
            Violation("sum", string.Create(CultureInfo.InvariantCulture, $"the sum of all balances is {total} instead of {_accountsTotal}"));
    }

    void CheckCounter(int id, long value)
    {
        if (_counters.TryGetValue(id, out var before) && value < before)
            Violation("counter", string.Create(CultureInfo.InvariantCulture, $"counter {id} went back from {before} to {value}"));
        _counters[id] = value;
    }
}

/// <summary>Which destination is watched.</summary>
public sealed record InvariantWatcherOptions
{
    public required string ConnectionString { get; init; }

    /// <summary>The schema at the destination.</summary>
    public string Schema { get; init; } = "shop";

    public string AccountsTable { get; init; } = WorkloadTables.Accounts;

    public string CountersTable { get; init; } = WorkloadTables.Counters;

    public long AccountsTotal { get; init; } = MixedWorkload.AccountsTotal;

    /// <summary>Pause between two looks.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Told of each new violation at once.</summary>
    public Action<string>? Log { get; init; }
}
