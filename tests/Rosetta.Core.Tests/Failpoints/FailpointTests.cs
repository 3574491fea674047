using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Xunit;

namespace Rosetta.Core.Tests.Failpoints;

/// <summary>Failpoints are one static set: these tests use names that no other test here passes.</summary>
public sealed class FailpointTests
{
    const string Name = FailpointNames.StopReleased;

    [Fact]
    public void Should_do_nothing_while_unarmed() => Failpoint.Hit(FailpointNames.StopDraining);

    [Fact]
    public void Should_run_until_it_is_disarmed()
    {
        var hits = 0;
        using (Failpoint.Arm(Name, () => hits++))
        {
            Failpoint.Hit(Name);
            Failpoint.Hit(Name);
            Failpoint.Hit(FailpointNames.StopDraining);
        }

        Failpoint.Hit(Name);
        Assert.Equal(2, hits);
    }

    [Fact]
    public void Should_run_so_many_times_from_a_certain_hit_on()
    {
        var hits = new List<int>();
        var hit = 0;
        using (Failpoint.Arm(Name, () => hits.Add(hit), times: 2, skip: 3))
        {
            while (hit++ < 10)
                Failpoint.Hit(Name);
        }

        Assert.Equal([4, 5], hits);
    }

    [Fact]
    public void Should_leave_alone_what_was_armed_anew()
    {
        var hits = 0;
        var first = Failpoint.Arm(Name, () => hits += 100);
        using (Failpoint.Arm(Name, () => hits++))
        {
            first.Dispose();
            Failpoint.Hit(Name);
        }

        Assert.Equal(1, hits);
    }

    [Theory]
    [InlineData("throw", new[] { 1, 2, 3, 4, 5 })]
    [InlineData("throw*2", new[] { 1, 2 })]
    [InlineData("throw@3", new[] { 3, 4, 5 })]
    [InlineData("throw*1@2", new[] { 2 })]
    [InlineData("throw@2*1", new[] { 2 })]
    public void Should_throw_as_the_setting_says(string action, int[] expected)
    {
        Failpoint.ArmFromSetting($" {Name}={action} ; ");
        try
        {
            var thrown = new List<int>();
            for (var hit = 1; hit <= 5; hit++)
            {
                try
                {
                    Failpoint.Hit(Name);
                }
                catch (FailpointException e)
                {
                    Assert.Contains(Name, e.Message, StringComparison.Ordinal);
                    Assert.Equal(ErrorClass.Transient, ErrorPolicy.Classify(e));
                    thrown.Add(hit);
                }
            }

            Assert.Equal(expected, thrown);
        }
        finally
        {
            Failpoint.Arm(Name, static () => { }).Dispose();
        }
    }

    [Theory]
    [InlineData("nowhere=throw", "nowhere")]
    [InlineData("apply.begun", "name=action")]
    [InlineData("=throw", "name=action")]
    [InlineData("apply.begun=explode", "explode")]
    [InlineData("apply.begun=throw*", "throw*")]
    [InlineData("apply.begun=throw*0", "throw*0")]
    [InlineData("apply.begun=throw@0", "throw@0")]
    [InlineData("apply.begun=throw@x", "throw@x")]
    [InlineData("apply.begun=throw*2*3", "throw*2*3")]
    [InlineData("pipeline.stop-released=throw;nowhere=throw", "nowhere")]
    public void Should_refuse_a_wrong_setting_by_name_and_arm_nothing(string setting, string named)
    {
        var error = Assert.Throws<FormatException>(() => Failpoint.ArmFromSetting(setting));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
        Assert.Contains(Failpoint.SettingName, error.Message, StringComparison.Ordinal);
        Failpoint.Hit(Name);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData(" ; ")]
    public void Should_arm_nothing_without_a_setting(string? setting) => Failpoint.ArmFromSetting(setting);

    [Fact]
    public void Should_list_each_name_once()
    {
        var declared = typeof(FailpointNames).GetFields().Where(static f => f.IsLiteral).Select(static f => (string)f.GetRawConstantValue()!);
        Assert.Equal(declared.Order(StringComparer.Ordinal), FailpointNames.Every.Order(StringComparer.Ordinal));
        Assert.Throws<FormatException>(() => Failpoint.Arm("nowhere", static () => { }));
    }
}
