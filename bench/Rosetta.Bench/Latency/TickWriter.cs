using System.Diagnostics;
using Npgsql;
using Rosetta.Bench.Stage;

namespace Rosetta.Bench.Latency;

/// <summary>Single-row transactions into <c>ticks</c> at a steady rate, numbered from 1.</summary>
/// <param name="most">So many, if nobody says enough before.</param>
sealed class TickWriter(int perSecond, int most)
{
    readonly long[] _committed = new long[most + 1];
    volatile int _written;

    /// <summary>Timestamps by number, of the moment the source answered the COMMIT.</summary>
    public IReadOnlyList<long> Committed => _committed;

    /// <summary>How many have been committed.</summary>
    public int Written => _written;

    public async Task RunAsync(BenchDatabases databases, CancellationToken enough, CancellationToken cancellationToken)
    {
        await using var writer = await BenchDatabases.WatchAsync(databases.Source, BenchDatabases.SourceDatabase, cancellationToken);
        await using var insert = new NpgsqlCommand("INSERT INTO ticks VALUES ($1, 'tick')", writer);
        var id = new NpgsqlParameter<long>();
        insert.Parameters.Add(id);
        await insert.PrepareAsync(cancellationToken);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(1000.0 / perSecond));
        var start = Stopwatch.GetTimestamp();
        for (var n = 1; n <= most && !enough.IsCancellationRequested; n++)
        {
            // A late tick is made up for: the rate is kept.
            if (Stopwatch.GetElapsedTime(start).TotalSeconds * perSecond < n)
                await timer.WaitForNextTickAsync(cancellationToken);
            id.TypedValue = n;
            await insert.ExecuteNonQueryAsync(cancellationToken);
            _committed[n] = Stopwatch.GetTimestamp();
            _written = n;
        }
    }
}
