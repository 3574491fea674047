using Akka.Actor;
using Akka.Event;
using Rosetta.Actors.Spill;
using Rosetta.Core.Errors;

namespace Rosetta.Actors.Destinations;

/// <summary>The writer of the lane's spill log, beside the lane's program.</summary>
public sealed partial class DestinationActor
{
    /// <summary>The slot has to move, and this lane holds it: write its changes to its spill log.</summary>
    public sealed record Spill : INoSerializationVerificationNeeded
    {
        public static readonly Spill Instance = new();
    }

    sealed record SpillEnded(Exception? Error) : INoSerializationVerificationNeeded, IDeadLetterSuppression;

    readonly RetryDelay _spillDelay = new(TimeSpan.FromSeconds(10));
    bool _isSpilling;
    long _notBefore;

    void OnSpill()
    {
        if (_stop is not null || _isSpilling || _context.Spill is not { } spill || _time.GetTimestamp() < _notBefore || spill.BeginWriting() is not { } stop)
            return;
        _isSpilling = true;
        _log.Info("[{Destination}] holds too much WAL at the source of pipeline {Pipeline}: its changes go to its spill log", _context.Name, _context.PipelineId);
        // A lane that catches up at its destination's pace makes room for the writer, and reads what that writes.
        _program?.Replan();
        var token = _cut.Token;
        var program = new SpillProgram(_context, spill, _time);
        Task.Run(() => program.RunAsync(stop, token), CancellationToken.None).PipeTo(Self, success: () => new SpillEnded(null), failure: e => new SpillEnded(e));
    }

    void OnSpillEnded(SpillEnded ended)
    {
        _isSpilling = false;
        _context.Spill!.EndWriting();
        if (_stop is not null)
        {
            FinishWhenDone();
            return;
        }

        if (ended.Error is not { } error)
        {
            _spillDelay.Reset();
            return;
        }

        var fault = ErrorPolicy.ToFault(error);
        if (fault.Class == ErrorClass.Fenced)
        {
            Context.Parent.Tell(new Fenced(_context.DestinationId));
            return;
        }

        _context.Spill.Fault = fault with { Remedy = fault.Remedy ?? "None needed if the config database and the source come back; it is tried again by itself." };
        var wait = fault.Class == ErrorClass.Transient ? _spillDelay.Next() : OperatorRetry;
        _notBefore = _time.GetTimestamp() + (long)(wait.TotalSeconds * _time.TimestampFrequency);
        _log.Warning(error, "[{Destination}] cannot be spilled ({Class}): {Reason}. The source keeps its WAL; trying again in {Seconds:0.0} s", _context.Name, fault.Class, fault.ForLog, wait.TotalSeconds);
        // It stops for good when its log was given up, and shows why.
        if (fault.IsGap)
            _program?.Replan();
    }
}
