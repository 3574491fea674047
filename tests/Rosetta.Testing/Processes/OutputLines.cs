namespace Rosetta.Testing.Processes;

/// <summary>The last lines a process printed, and those who wait for one.</summary>
sealed class OutputLines(int kept)
{
    readonly Lock _guard = new();
    readonly Queue<string> _lines = new();
    readonly List<(Func<string, bool> Wanted, TaskCompletionSource<string> Found)> _waiting = [];
    string? _ended;

    public void Add(string line)
    {
        lock (_guard)
        {
            _lines.Enqueue(line);
            if (_lines.Count > kept)
                _lines.Dequeue();
            for (var i = _waiting.Count - 1; i >= 0; i--)
            {
                if (!_waiting[i].Wanted(line))
                    continue;
                _waiting[i].Found.TrySetResult(line);
                _waiting.RemoveAt(i);
            }
        }
    }

    /// <summary>The process has ended: nobody waits in vain.</summary>
    public void End(string reason)
    {
        lock (_guard)
        {
            _ended = reason;
            foreach (var (_, found) in _waiting)
                found.TrySetException(new ChildProcessException(reason));
            _waiting.Clear();
        }
    }

    /// <summary>The first kept or coming line that fits; a failed task when the process has ended without.</summary>
    public Task<string> FindAsync(Func<string, bool> wanted)
    {
        lock (_guard)
        {
            if (_lines.FirstOrDefault(wanted) is { } seen)
                return Task.FromResult(seen);
            if (_ended is not null)
                return Task.FromException<string>(new ChildProcessException(_ended));
            var found = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((wanted, found));
            return found.Task;
        }
    }

    public IReadOnlyList<string> Tail(int count)
    {
        lock (_guard)
            return [.. _lines.TakeLast(count)];
    }
}

/// <summary>A child process did not do what was expected of it; the message holds its last output.</summary>
public sealed class ChildProcessException(string message, Exception? inner = null) : Exception(message, inner);
