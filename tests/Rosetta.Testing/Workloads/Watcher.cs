using System.Diagnostics;

namespace Rosetta.Testing.Workloads;

/// <summary>What a watcher saw.</summary>
/// <param name="Polls">Successful looks at all it watches.</param>
/// <param name="Unavailable">Looks that failed because a server was away or a table not there yet.</param>
/// <param name="Violations">The first different violations of each kind, with the time since the start; empty when all held.</param>
/// <param name="ViolationCount">All violations; one that lasts counts at every look.</param>
public sealed record WatchReport(long Polls, long Unavailable, IReadOnlyList<string> Violations, long ViolationCount)
{
    public override string ToString() =>
        $"{Polls} looks, {Unavailable} times unavailable, {ViolationCount} violations" + string.Concat(Violations.Select(v => "\n    " + v));
}

/// <summary>A loop that looks at something again and again until stopped, and keeps a report.</summary>
public abstract class Watcher : IAsyncDisposable
{
    const int KeptPerKind = 10;

    readonly Lock _guard = new();
    readonly List<string> _violations = [];
    readonly Dictionary<string, HashSet<string>> _kept = [];
    readonly Stopwatch _watch = Stopwatch.StartNew();
    readonly CancellationTokenSource _stop = new();
    readonly TimeSpan _interval;
    readonly Action<string>? _log;
    Task? _running;
    long _polls;
    long _unavailable;
    long _violationCount;

    private protected Watcher(TimeSpan interval, Action<string>? log)
    {
        _interval = interval;
        _log = log;
    }

    /// <summary>What was seen up to now.</summary>
    public WatchReport Report
    {
        get
        {
            lock (_guard)
                return new WatchReport(_polls, _unavailable, [.. _violations], _violationCount);
        }
    }

    /// <summary>Stops, and reports.</summary>
    public async Task<WatchReport> StopAsync()
    {
        await _stop.CancelAsync();
        if (_running is { } running)
            await running;
        return Report;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        if (_running is { } running)
            await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await CloseAsync();
        _stop.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected void Begin() => _running = Task.Run(RunAsync);

    /// <summary>One look; false when something was unavailable.</summary>
    private protected abstract Task<bool> LookAsync(CancellationToken cancellationToken);

    private protected abstract Task CloseAsync();

    /// <summary>Notes a violation; the kind keeps a flood of one from hiding the others.</summary>
    private protected void Violation(string kind, string text)
    {
        lock (_guard)
        {
            _violationCount++;
            if (!_kept.TryGetValue(kind, out var kept))
                _kept[kind] = kept = [];
            if (kept.Count == KeptPerKind || !kept.Add(text))
                return;
            _violations.Add($"after {_watch.Elapsed.TotalSeconds:F1} s: {text}");
        }
        _log?.Invoke($"VIOLATION {text}");
    }

    async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            bool seen;
            try
            {
                seen = await LookAsync(_stop.Token);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            lock (_guard)
            {
                _polls += seen ? 1 : 0;
                _unavailable += seen ? 0 : 1;
            }
            await Task.Delay(_interval, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
