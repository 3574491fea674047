using System.Diagnostics;
using Npgsql;
using Rosetta.Bench.Peers;
using Rosetta.Bench.Stage;

namespace Rosetta.Bench.Latency;

/// <summary>
/// When the rows of <c>ticks</c>, numbered from 1, became visible at a target: one connection asks for the highest number about every millisecond.
/// Times are this process's own clock, as those of the commits.
/// </summary>
sealed class Arrivals(IPeer peer, int count)
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(1);

    readonly long[] _seen = new long[count + 1];

    public IPeer Peer => peer;

    /// <summary>Looks until all have arrived.</summary>
    public Task WatchAsync(BenchDatabases databases, CancellationToken cancellationToken) => WatchAsync(databases, () => count, cancellationToken);

    /// <param name="wanted">How many there will be; more than there can be as long as that is not known.</param>
    public async Task WatchAsync(BenchDatabases databases, Func<int> wanted, CancellationToken cancellationToken)
    {
        await using var watcher = await BenchDatabases.WatchAsync(databases.Targets[0], peer.Database, cancellationToken);
        await using var look = new NpgsqlCommand("SELECT coalesce(max(id), 0) FROM ticks", watcher);
        await look.PrepareAsync(cancellationToken);
        for (var known = 0; known < wanted();)
        {
            var highest = (int)(long)(await look.ExecuteScalarAsync(cancellationToken))!;
            var now = Stopwatch.GetTimestamp();
            while (known < highest)
                _seen[++known] = now;
            await Task.Delay(Pause, cancellationToken);
        }
    }

    /// <summary>Milliseconds from commit to visible, ascending.</summary>
    /// <param name="committed">Timestamps by number, of the moment the source answered the COMMIT.</param>
    /// <param name="skip">So many at the start do not count.</param>
    public IReadOnlyList<double> Latencies(IReadOnlyList<long> committed, int skip) => Latencies(committed, skip, count);

    /// <param name="to">The last that counts.</param>
    public IReadOnlyList<double> Latencies(IReadOnlyList<long> committed, int skip, int to)
    {
        var all = new List<double>(to - skip);
        for (var id = skip + 1; id <= to; id++)
            all.Add(Stopwatch.GetElapsedTime(committed[id], _seen[id]).TotalMilliseconds);
        all.Sort();
        return all;
    }
}
