using System.Data.Common;
using System.Net.Sockets;
using Rosetta.Core.Errors;
using Xunit;

namespace Rosetta.Core.Tests.Errors;

public sealed class ErrorPolicyTests
{
    [Theory]
    [InlineData("40001", ErrorClass.Transient)] // serialization failure
    [InlineData("40P01", ErrorClass.Transient)] // deadlock
    [InlineData("55P03", ErrorClass.Transient)] // lock not available
    [InlineData("55006", ErrorClass.Transient)] // object in use: the slot is held by an older walsender
    [InlineData("57014", ErrorClass.Transient)] // cancelled, statement timeout
    [InlineData("57P01", ErrorClass.Transient)] // terminated by an administrator
    [InlineData("57P03", ErrorClass.Transient)] // starting up
    [InlineData("25P03", ErrorClass.Transient)] // idle in transaction timeout
    [InlineData("08006", ErrorClass.Transient)]
    [InlineData("53300", ErrorClass.Transient)] // too many connections
    [InlineData("53200", ErrorClass.Transient)] // out of memory
    [InlineData("58030", ErrorClass.Transient)] // I/O error
    [InlineData("XX000", ErrorClass.Transient)]
    [InlineData("53100", ErrorClass.Operator)] // disk full
    [InlineData("28P01", ErrorClass.Operator)] // wrong password
    [InlineData("28000", ErrorClass.Operator)]
    [InlineData("3D000", ErrorClass.Operator)] // database missing
    [InlineData("55000", ErrorClass.Operator)] // wal_level too low, slot invalidated
    [InlineData("22003", ErrorClass.Data)]
    [InlineData("22P02", ErrorClass.Data)]
    [InlineData("23505", ErrorClass.Data)]
    [InlineData("23503", ErrorClass.Data)]
    [InlineData("21000", ErrorClass.Data)]
    [InlineData("44000", ErrorClass.Data)]
    [InlineData("P0001", ErrorClass.Data)] // raised by a trigger
    [InlineData("42P01", ErrorClass.Table)] // table missing
    [InlineData("42703", ErrorClass.Table)] // column missing
    [InlineData("42501", ErrorClass.Table)] // not allowed
    [InlineData("42804", ErrorClass.Table)]
    [InlineData("428C9", ErrorClass.Table)] // generated column
    [InlineData("42601", ErrorClass.Table)]
    public void Should_decide_by_sqlstate(string state, ErrorClass expected)
    {
        Assert.Equal(expected, ErrorPolicy.Classify(state));
        Assert.Equal(expected, ErrorPolicy.Classify(new ServerError("no", state)));
        Assert.Equal(expected, ErrorPolicy.Classify(new LibraryError("no", state)));
        Assert.Equal(expected, ErrorPolicy.Classify(new InvalidOperationException("around it", new ServerError("no", state))));
    }

    [Fact]
    public void Should_try_again_what_says_nothing()
    {
        Assert.Equal(ErrorClass.Transient, ErrorPolicy.Classify(new IOException("reset")));
        Assert.Equal(ErrorClass.Transient, ErrorPolicy.Classify(new SocketException((int)SocketError.HostNotFound)));
        Assert.Equal(ErrorClass.Transient, ErrorPolicy.Classify(new TimeoutException()));
        Assert.Equal(ErrorClass.Transient, ErrorPolicy.Classify(new ServerError("no state", null)));
    }

    [Fact]
    public void Should_find_a_newer_incarnation_before_anything_else() =>
        Assert.Equal(ErrorClass.Fenced, ErrorPolicy.Classify(new IOException("around it", new FencedException("the target", 7))));

    [Fact]
    public void Should_take_a_fault_as_it_is()
    {
        var fault = new Fault(ErrorClass.Operator, "why", "what to do", "55000", IsGap: true);
        Assert.Same(fault, ErrorPolicy.ToFault(new InvalidOperationException("around it", new FaultException(fault)), "another remedy"));
        Assert.Equal(ErrorClass.Operator, ErrorPolicy.Classify(new FaultException(fault)));
        Assert.Equal("why", new FaultException(fault).Message);
    }

    [Fact]
    public void Should_give_reason_state_and_remedy()
    {
        var fault = ErrorPolicy.ToFault(new ServerError("relation \"t\" does not exist", "42P01"), "create it");
        Assert.Equal(new Fault(ErrorClass.Table, "relation \"t\" does not exist", "create it", "42P01"), fault);
    }

    [Fact]
    public void Should_keep_the_cause_in_the_reason()
    {
        var fault = ErrorPolicy.ToFault(new IOException("cannot connect", new SocketException((int)SocketError.ConnectionRefused)));
        Assert.StartsWith("cannot connect: ", fault.Reason, StringComparison.Ordinal);
        Assert.Equal("cannot connect: it says no", ErrorPolicy.ToFault(new IOException("cannot connect", new ServerError("it says no", "57P03"))).Reason);
        Assert.Equal("57P03", ErrorPolicy.ToFault(new IOException("cannot connect", new ServerError("it says no", "57P03"))).SqlState);
        Assert.Equal("already: said", ErrorPolicy.ToFault(new IOException("already: said", new IOException("said"))).Reason);
    }

    [Fact]
    public void Should_keep_what_may_quote_values_out_of_logs()
    {
        var fault = ErrorPolicy.ToFault(new IOException("cannot copy", new SayingError("22P02", "invalid input syntax: \"secret\"")));
        Assert.Equal("cannot copy: invalid input syntax: \"secret\"", fault.Reason);
        Assert.Equal("cannot copy: SQLSTATE 22P02", fault.ForLog);
        Assert.Equal("no", new FaultException(new Fault(ErrorClass.Data, "no secret", null) { ForLog = "no" }).Message);
        Assert.Equal("why", new Fault(ErrorClass.Data, "why", null).ForLog);
    }

    [Theory]
    [InlineData("28P01", null, true)]
    [InlineData("42P01", "", true)]
    [InlineData("42704", "slot \"s\", output plugin \"pgoutput\", in the change callback", true)]
    [InlineData("22P02", null, false)]
    [InlineData("23505", null, false)]
    [InlineData("P0001", null, false)]
    [InlineData("AB123", null, false)]
    [InlineData("42501", "PL/pgSQL function no() line 1 at RAISE", false)]
    [InlineData("53100", "COPY t, line 1", false)]
    public void Should_let_words_about_data_into_no_log(string sqlState, string? context, bool mayBe) =>
        Assert.Equal(mayBe, ServerWords.MayBeLogged(sqlState, context));

    sealed class SayingError(string state, string words) : Exception($"SQLSTATE {state}"), ISqlStateError
    {
        public string? SqlState { get; } = state;

        public string Words { get; } = words;
    }

    sealed class ServerError(string message, string? state) : Exception(message), ISqlStateError
    {
        public string? SqlState { get; } = state;

        public string Words => Message;
    }

    sealed class LibraryError(string message, string? state) : DbException(message)
    {
        public override string? SqlState { get; } = state;
    }
}
