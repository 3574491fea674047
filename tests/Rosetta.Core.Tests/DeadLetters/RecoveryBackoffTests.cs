using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Core.Tests.DeadLetters;

public sealed class RecoveryBackoffTests
{
    static readonly DateTimeOffset Now = new(2026, 11, 29, 1, 0, 0, TimeSpan.Zero);
    static readonly RecoveryBackoff Backoff = new(TimeSpan.FromSeconds(30), 10);

    static DeadLetter Letter(ErrorClass? errorClass, int tries = 0, double? secondsAgo = null) => new(
        new TableName("public", "t"), new Position(new Lsn(1), 0), 1, 0, ChangeKind.Update, ["1"], default, errorClass is { } c ? new DeadLetterFailure(c, "no", null) : null, Now)
    {
        Tries = tries,
        LastTriedAt = secondsAgo is { } ago ? Now.AddSeconds(-ago) : null,
    };

    [Theory]
    [InlineData(ErrorClass.Transient, 1, 60)]
    [InlineData(ErrorClass.Transient, 3, 240)]
    [InlineData(ErrorClass.Transient, 9, 300)]
    [InlineData(ErrorClass.Data, 1, 60)]
    [InlineData(ErrorClass.Data, 5, 960)]
    [InlineData(ErrorClass.Data, 9, 3_600)]
    [InlineData(ErrorClass.Table, 1, 300)]
    [InlineData(ErrorClass.Operator, 1, 300)]
    [InlineData(ErrorClass.Operator, 2, 600)]
    [InlineData(ErrorClass.Operator, 9, 3_600)]
    public void Should_pause_by_the_class_of_the_error(ErrorClass errorClass, int tries, int seconds)
    {
        Assert.Equal(TimeSpan.FromSeconds(seconds), Backoff.PauseAfter(errorClass, tries));
        // Passes do not come to the second.
        Assert.Equal(RecoveryChoice.Wait, Backoff.Decide(Letter(errorClass, tries, seconds - 16), Now));
        Assert.Equal(RecoveryChoice.Try, Backoff.Decide(Letter(errorClass, tries, seconds - 15), Now));
    }

    [Fact]
    public void Should_try_at_once_what_was_never_tried_and_leave_alone_what_has_had_its_tries()
    {
        Assert.All(Enum.GetValues<ErrorClass>(), c => Assert.Equal(RecoveryChoice.Try, Backoff.Decide(Letter(c), Now)));
        Assert.All(Enum.GetValues<ErrorClass>(), c => Assert.Equal(RecoveryChoice.Exhausted, Backoff.Decide(Letter(c, 10, 1_000_000), Now)));
        Assert.Equal(RecoveryChoice.Try, Backoff.Decide(Letter(ErrorClass.Data, 9, 1_000_000), Now));
    }

    [Fact]
    public void Should_try_a_group_when_one_of_it_is_due_or_when_what_all_of_it_waited_behind_is_gone()
    {
        var (waits, rests, due) = (Letter(null), Letter(ErrorClass.Data, 1, 1), Letter(ErrorClass.Data, 1, 100));
        Assert.True(Backoff.IsDue([due, waits], Now));
        Assert.True(Backoff.IsDue([rests, waits, due], Now));
        Assert.False(Backoff.IsDue([rests, waits], Now));
        Assert.False(Backoff.IsDue([Letter(ErrorClass.Data, 10, 1_000_000), waits], Now));
        Assert.True(Backoff.IsDue([waits, waits], Now));
        Assert.False((Backoff with { Tries = 0 }).IsDue([waits, waits], Now));
    }

    [Fact]
    public void Should_not_try_what_waits_behind_another_one_by_itself() => Assert.Equal(RecoveryChoice.Behind, Backoff.Decide(Letter(null), Now));

    [Fact]
    public void Should_bear_any_number_of_tries_and_any_interval()
    {
        foreach (var interval in (TimeSpan[])[TimeSpan.FromMilliseconds(1), TimeSpan.FromHours(5)])
        {
            foreach (var errorClass in Enum.GetValues<ErrorClass>())
                Assert.InRange(new RecoveryBackoff(interval, int.MaxValue).PauseAfter(errorClass, int.MaxValue - 1), TimeSpan.Zero, TimeSpan.FromHours(5));
        }
    }
}
