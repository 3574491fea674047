using System.Globalization;

namespace Rosetta.Testing.Workloads;

/// <summary>
/// Watches what Rosetta costs the application on its source: no session of the application may wait for a lock that one of Rosetta's holds. Who takes a
/// table for himself alone (TRUNCATE, DDL) waits for all who read it, Rosetta's copies too; how long is noted, as is the age of Rosetta's oldest
/// transaction, which holds back vacuum.
/// </summary>
public sealed class SourceWatcher : Watcher
{
    // By the application_name that every session of a pipeline has. What one session waits for is asked only of those that wait: it takes the lock table.
    const string Sql =
        """
        SELECT extract(epoch FROM clock_timestamp() - a.xact_start)::float8, a.application_name, NULL, NULL
        FROM pg_stat_activity a WHERE a.application_name LIKE 'rosetta/%' AND a.xact_start IS NOT NULL
        UNION ALL
        SELECT extract(epoch FROM clock_timestamp() - l.waitstart)::float8, b.application_name, format('%s waits for %s: %s', w.query, b.application_name, b.query), l.mode
        FROM pg_stat_activity w CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) p JOIN pg_stat_activity b ON b.pid = p JOIN pg_locks l ON l.pid = w.pid AND NOT l.granted
        WHERE w.wait_event_type = 'Lock' AND w.application_name NOT LIKE 'rosetta/%' AND b.application_name LIKE 'rosetta/%'
        """;

    readonly PolledServer _source;
    double _oldest;
    double _longest;
    string _holder = "nobody";

    SourceWatcher(string connectionString, TimeSpan interval, Action<string>? log)
        : base(interval, log) => _source = new PolledServer(connectionString, TimeSpan.FromSeconds(5));

    /// <summary>The age of the oldest transaction of Rosetta's at the source that was ever seen.</summary>
    public TimeSpan OldestTransaction => TimeSpan.FromSeconds(Volatile.Read(ref _oldest));

    /// <summary>The longest that a session of the application was seen waiting for a table of its own.</summary>
    public TimeSpan LongestExclusiveWait => TimeSpan.FromSeconds(Volatile.Read(ref _longest));

    public static SourceWatcher Start(string connectionString, TimeSpan? interval = null, Action<string>? log = null)
    {
        var watcher = new SourceWatcher(connectionString, interval ?? TimeSpan.FromMilliseconds(100), log);
        watcher.Begin();
        return watcher;
    }

    /// <summary>What was seen, in a line.</summary>
    public string Describe() => string.Create(
        CultureInfo.InvariantCulture,
        $"our oldest transaction at the source: {OldestTransaction.TotalSeconds:0.0} s ({_holder}); longest wait of a TRUNCATE or DDL for our reading: {LongestExclusiveWait.TotalSeconds:0.0} s; other sessions of the application that waited for us: {Report.ViolationCount} in {Report.Polls} looks");

    private protected override async Task<bool> LookAsync(CancellationToken cancellationToken)
    {
        if (await _source.TryQueryAsync(Sql, cancellationToken) is not { } rows)
            return false;
        foreach (var row in rows)
        {
            var age = row[0] as double? ?? 0;
            if (row[2] is not string wait)
            {
                if (age > _oldest)
                    _holder = (string)row[1];
                Volatile.Write(ref _oldest, Math.Max(age, _oldest));
            }
            else if (row[3] is "AccessExclusiveLock")
                Volatile.Write(ref _longest, Math.Max(age, _longest));
            else
                Violation("lock", wait);
        }

        return true;
    }

    private protected override Task CloseAsync() => _source.DisposeAsync().AsTask();
}
