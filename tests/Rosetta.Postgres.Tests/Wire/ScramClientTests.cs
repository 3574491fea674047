using Rosetta.Postgres.Wire;
using Xunit;

namespace Rosetta.Postgres.Tests.Wire;

public sealed class ScramClientTests
{
    // The exchange of RFC 7677, section 3, with PostgreSQL's empty user name (the proof depends on it, so only the parts that do not are compared).
    const string Nonce = "rOprNGfwEbeRWgbNEkqO";
    const string ServerFirst = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    [Fact]
    public void Should_refuse_a_server_that_does_not_continue_our_nonce()
    {
        var scram = new ScramClient("pencil", plusOffered: false, certificateHash: null, Nonce);
        Assert.Throws<FormatException>(() => scram.ClientFinal(ServerFirst.Replace("r=rOpr", "r=xxxx")));
        Assert.Throws<FormatException>(() => scram.ClientFinal("e=other-error"));
    }

    [Fact]
    public void Should_refuse_a_server_that_does_not_know_the_password()
    {
        var scram = new ScramClient("pencil", plusOffered: false, certificateHash: null, Nonce);
        Assert.False(scram.IsServerGenuine("v=AAAA"));
        scram.ClientFinal(ServerFirst);
        Assert.False(scram.IsServerGenuine("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        Assert.False(scram.IsServerGenuine("e=invalid-proof"));
    }

    [Theory]
    [InlineData(false, false, "n,,")]
    [InlineData(false, true, "y,,")]
    [InlineData(true, false, "n,,")]
    [InlineData(true, true, "p=tls-server-end-point,,")]
    public void Should_tell_what_it_could_have_bound(bool plusOffered, bool hasHash, string header)
    {
        var scram = new ScramClient("pencil", plusOffered, hasHash ? new byte[32] : null, Nonce);
        Assert.Equal(header + "n=,r=" + Nonce, scram.ClientFirst);
    }
}
