// Goes on to the form that was kept while somebody signed in; without scripts, the button does.

document.getElementById("resume").submit();
