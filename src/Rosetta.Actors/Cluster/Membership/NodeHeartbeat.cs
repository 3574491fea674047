using System.Net.Sockets;
using Akka.Event;
using Npgsql;

namespace Rosetta.Actors.Cluster.Membership;

/// <summary>
/// Writes this node's heartbeat into <c>cluster_nodes</c>, on a thread and a connection of its own, so that neither a busy thread pool nor
/// the node's own work makes it look dead. Learns from the same statement that the node was taken out.
/// </summary>
/// <remarks>Never throws: while the database is away it says so once, and again when it is back.</remarks>
public sealed class NodeHeartbeat : IDisposable
{
    readonly ClusterNodesTable _table;
    readonly HeartbeatStatement _statement;
    readonly TimeSpan _interval;
    readonly Action<HeartbeatVerdict> _onLost;
    readonly ILoggingAdapter _log;
    readonly TimeProvider _time;
    readonly AutoResetEvent _wake = new(false);
    readonly Thread _thread;
    volatile NodeState _state = NodeState.Starting;
    volatile bool _stopping;
    volatile bool _deleteOnStop;
    long _answersSince;
    long _lastAnswer;

    /// <param name="onLost">Called once, on the heartbeat's thread, when the node was taken out or replaced; no heartbeat follows.</param>
    public NodeHeartbeat(
        ClusterNodesTable table, NodeDescription node, TimeSpan interval, Action<HeartbeatVerdict> onLost, ILoggingAdapter log,
        TimeProvider? time = null)
    {
        _table = table;
        _statement = new HeartbeatStatement(table.System, node);
        _interval = interval;
        _onLost = onLost;
        _log = log;
        _time = time ?? TimeProvider.System;
        _thread = new Thread(Run) { IsBackground = true, Name = "rosetta-heartbeat", Priority = ThreadPriority.AboveNormal };
    }

    /// <summary>The state written with each heartbeat; setting it writes one at once.</summary>
    public NodeState State
    {
        get => _state;
        set
        {
            _state = value;
            _wake.Set();
        }
    }

    /// <summary>For how long heartbeats have succeeded without interruption; zero while the database is away.</summary>
    public TimeSpan AnsweredFor
    {
        get
        {
            var since = Interlocked.Read(ref _answersSince);
            var last = Interlocked.Read(ref _lastAnswer);
            if (since == 0 || _time.GetElapsedTime(last) > _interval + TimeSpan.FromSeconds(2))
                return TimeSpan.Zero;
            return _time.GetElapsedTime(since, last);
        }
    }

    public void Start() => _thread.Start();

    /// <summary>Removes the node's row and ends. Returns when done, or after <paramref name="atMost"/>.</summary>
    public void DeleteAndStop(TimeSpan atMost)
    {
        _deleteOnStop = true;
        Stop();
        if (_thread.IsAlive && Thread.CurrentThread != _thread)
            _thread.Join(atMost);
    }

    /// <summary>Ends without touching the row.</summary>
    public void Stop()
    {
        _stopping = true;
        _wake.Set();
    }

    public void Dispose() => Stop();

    void Run()
    {
        NpgsqlConnection? connection = null;
        while (true)
        {
            var verdict = HeartbeatVerdict.Alive;
            try
            {
                connection ??= _table.OpenForHeartbeat();
                if (_stopping)
                {
                    if (_deleteOnStop)
                        _statement.Delete(connection);
                    break;
                }
                verdict = _statement.Execute(connection, _state);
                Answered();
            }
            catch (Exception failure) when (failure is NpgsqlException or SocketException or IOException or TimeoutException
                or InvalidOperationException or ObjectDisposedException or FormatException)
            {
                NotAnswered(failure);
                connection?.Dispose();
                connection = null;
                if (_stopping)
                    break;
            }
            if (verdict != HeartbeatVerdict.Alive)
            {
                _onLost(verdict);
                break;
            }
            if (!_stopping)
                _wake.WaitOne(_interval);
        }
        connection?.Dispose();
    }

    void Answered()
    {
        var now = _time.GetTimestamp();
        // A node that was frozen has not been answered meanwhile, although no heartbeat failed.
        if (_answersSince == 0 || _time.GetElapsedTime(_lastAnswer, now) > _interval + TimeSpan.FromSeconds(3))
        {
            if (_answersSince == 0 && _lastAnswer != 0)
                _log.Info("NodeHeartbeat: the config database answers again");
            Interlocked.Exchange(ref _answersSince, now);
        }
        Interlocked.Exchange(ref _lastAnswer, now);
    }

    void NotAnswered(Exception failure)
    {
        if (_answersSince != 0 || _lastAnswer == 0)
            _log.Warning(failure,
                "NodeHeartbeat: the config database does not answer [{Reason}]; until it does, no unreachable node is taken out of the cluster",
                failure.Message);
        if (_lastAnswer == 0)
            Interlocked.Exchange(ref _lastAnswer, _time.GetTimestamp());
        Interlocked.Exchange(ref _answersSince, 0);
    }
}
