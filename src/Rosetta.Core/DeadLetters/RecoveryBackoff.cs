using Rosetta.Core.Errors;

namespace Rosetta.Core.DeadLetters;

/// <summary>What the next pass does with a parked change. Whoever orders a recovery does not ask.</summary>
public enum RecoveryChoice
{
    /// <summary>Try it.</summary>
    Try,

    /// <summary>Not yet.</summary>
    Wait,

    /// <summary>It waits behind another one of its key, whose turn decides.</summary>
    Behind,

    /// <summary>It has had its tries: somebody has to act.</summary>
    Exhausted,
}

/// <summary>When a parked change is tried again by itself. Pure.</summary>
/// <param name="Interval">Of the passes.</param>
/// <param name="Tries">After so many it is left alone; 0: nothing is tried by itself.</param>
public sealed record RecoveryBackoff(TimeSpan Interval, int Tries)
{
    public static readonly TimeSpan LongestPause = TimeSpan.FromHours(1);

    /// <summary>Passes until what may be over at any moment is tried again, at most.</summary>
    const int TransientPasses = 10;

    /// <summary>Passes until something is tried again that a person has to mend first, at least.</summary>
    const int OperatorPasses = 10;

    public RecoveryChoice Decide(DeadLetter letter, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(letter);
        if (letter.Failure is not { } failure)
            return RecoveryChoice.Behind;
        if (letter.Tries >= Tries)
            return RecoveryChoice.Exhausted;
        // Half an interval early: passes do not come to the second.
        return letter.LastTriedAt is { } last && now - last < PauseAfter(failure.Class, letter.Tries) - (Interval / 2) ? RecoveryChoice.Wait : RecoveryChoice.Try;
    }

    /// <summary>
    /// Whether what has to be applied together is tried: when it is the turn of one of them; or when none of them was ever refused, since what they waited behind is gone.
    /// </summary>
    public bool IsDue(IReadOnlyList<DeadLetter> group, DateTimeOffset now) =>
        group.Any(l => Decide(l, now) == RecoveryChoice.Try) || (Tries > 0 && group.All(l => l.Failure is null));

    /// <summary>
    /// The pause after so many tries: doubled each time. Of what is transient not more than ten intervals, since it may be over at any moment; of what a person has to
    /// mend at the table or the server ten intervals to begin with, since nothing about the row will change that.
    /// </summary>
    public TimeSpan PauseAfter(ErrorClass errorClass, int tries) => errorClass switch
    {
        ErrorClass.Transient => Least(Doubled(1, tries), Interval * TransientPasses),
        ErrorClass.Table or ErrorClass.Operator or ErrorClass.Fenced => Least(Doubled(OperatorPasses, tries - 1), LongestPause),
        _ => Least(Doubled(1, tries), LongestPause),
    };

    TimeSpan Doubled(int passes, int times) => Interval * Math.Min(passes * Math.Pow(2, Math.Clamp(times, 0, 40)), LongestPause / Interval);

    static TimeSpan Least(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
